/** A bounded line of waiters, served one tenant after the other: who sends a thousand calls delays nobody but himself. */
export class FairLine<T> {
  readonly #lengthMax: number;
  /** Lines by tenant, the next one to serve first. A tenant without waiters has none. */
  readonly #lines = new Map<string, T[]>();
  #length = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Puts a waiter at the end of its tenant's line. In a full house the newest waiter of the tenant that has most gives way.
   * @returns who has no place: null for nobody, else that waiter, which may be this one
   */
  join(tenant: string, waiter: T): T | null {
    const line = this.#lines.get(tenant) ?? [];
    let displaced: T | null = null;
    if (this.#length >= this.#lengthMax) {
      const longest = [...this.#lines].reduce((a, b) => (b[1].length > a[1].length ? b : a));
      if (longest[1].length <= line.length + 1) return waiter;
      displaced = longest[1].at(-1) ?? null;
      if (displaced !== null) this.leave(longest[0], displaced);
    }
    if (line.length === 0) this.#lines.set(tenant, line);
    line.push(waiter);
    this.#length++;
    return displaced;
  }

  /** Who is next; he stays in line. */
  first(): T | null {
    const [line] = this.#lines.values();
    return line?.[0] ?? null;
  }

  /** Takes a waiter out of its line. After a turn (`isServed`) its tenant is the last again. */
  leave(tenant: string, waiter: T, isServed = false): boolean {
    const line = this.#lines.get(tenant);
    const index = line?.indexOf(waiter) ?? -1;
    if (line === undefined || index < 0) return false;
    line.splice(index, 1);
    this.#length--;
    if (line.length === 0 || isServed) this.#lines.delete(tenant);
    if (line.length > 0 && isServed) this.#lines.set(tenant, line);
    return true;
  }
}
