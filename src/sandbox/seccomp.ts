/** System calls that code in a box never needs: other processes' memory, mounts, namespaces, keys, kernel code, clocks. */
const denied = {
  x64: [
    101, 103, 134, 135, 153, 154, 155, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179,
    180, 212, 227, 237, 238, 239, 246, 248, 249, 250, 256, 272, 279, 298, 300, 303, 304, 305, 308, 310, 311, 312, 313,
    320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442,
  ],
  arm64: [
    18, 39, 40, 41, 42, 51, 58, 60, 89, 92, 97, 104, 105, 106, 112, 116, 117, 142, 161, 162, 170, 171, 217, 218, 219,
    224, 225, 235, 236, 237, 238, 239, 241, 262, 264, 265, 266, 268, 270, 271, 272, 273, 280, 282, 294, 425, 426, 427,
    428, 429, 430, 431, 432, 433, 438, 440, 442,
  ],
} as const;
const machines = {
  x64: { audit: 0xc000003e, clone: 56, clone3: 435, foreign: 0x4000_0000 },
  arm64: { audit: 0xc00000b7, clone: 220, clone3: 435, foreign: null },
} as const;

// linux/bpf_common.h and linux/seccomp.h
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;
const EPERM = 0x0005_0000 + 1;
const ENOSYS = 0x0005_0000 + 38;
/** CLONE_NEWTIME, NS, CGROUP, UTS, IPC, USER, PID, NET. */
const NEW_NAMESPACES = 0x7e02_0080;
const AT = { number: 0, machine: 4, firstArgument: 16 };

/**
 * The deny list as a classic BPF program for bubblewrap's `--seccomp`; null for a machine that it does not know. `clone3`
 * answers ENOSYS, so that libc falls back to `clone`, whose flags can be looked at.
 */
export function seccompProgram(arch: string = process.arch): Buffer | null {
  if (arch !== "x64" && arch !== "arm64") return null;
  const { audit, clone, clone3, foreign } = machines[arch];
  const numbers = denied[arch];
  const program: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
    [LOAD, 0, 0, AT.machine],
    [JUMP_EQUAL, 1, 0, audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, AT.number],
  ];
  // From the end: allow, refuse, ENOSYS, and the look at clone's flags.
  const tail = 6;
  const checks = numbers.length + 2 + (foreign === null ? 0 : 1);
  const toRefuse = (): number => checks - (program.length - 4) - 1 + tail - 2;
  if (foreign !== null) program.push([JUMP_AT_LEAST, toRefuse(), 0, foreign]);
  for (const number of numbers) program.push([JUMP_EQUAL, toRefuse(), 0, number]);
  program.push([JUMP_EQUAL, toRefuse() + 1, 0, clone3]);
  program.push([JUMP_EQUAL, 1, 0, clone]);
  program.push([RETURN, 0, 0, ALLOW]);
  program.push([LOAD, 0, 0, AT.firstArgument]);
  program.push([JUMP_ANY_BIT, 1, 0, NEW_NAMESPACES]);
  program.push([RETURN, 0, 0, ALLOW]);
  program.push([RETURN, 0, 0, EPERM]);
  program.push([RETURN, 0, 0, ENOSYS]);
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(ifTrue, i * 8 + 2);
    bytes.writeUInt8(ifFalse, i * 8 + 3);
    bytes.writeUInt32LE(value, i * 8 + 4);
  }
  return bytes;
}
