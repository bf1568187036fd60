const RELOADED = "pawl:reloaded";

/**
 * Loads the code of a page. Where that fails (an upgrade took the old files away under an open tab) the tab is reloaded once,
 * which brings the new names; a second failure in a row is thrown for the boundary to show.
 */
export async function loadPage<T>(load: () => Promise<T>): Promise<T> {
  try {
    const page = await load();
    markReloaded(false);
    return page;
  } catch (error) {
    if (wasReloaded() || !markReloaded(true)) throw error;
    location.reload();
    // the reload ends this page: until then nothing is shown in its place
    return Promise.withResolvers<never>().promise;
  }
}

function wasReloaded(): boolean {
  try {
    return sessionStorage.getItem(RELOADED) !== null;
  } catch {
    return true;
  }
}

/** @returns false where the browser keeps nothing: then it is not reloaded, for it would not end */
function markReloaded(is: boolean): boolean {
  try {
    if (is) sessionStorage.setItem(RELOADED, "1");
    else sessionStorage.removeItem(RELOADED);
    return true;
  } catch {
    return false;
  }
}
