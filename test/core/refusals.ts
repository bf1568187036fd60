import assert from "node:assert/strict";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";

/** Asserts that code throws an error of one code, with a message that says something. */
export function refusesWith(code: ErrorCode, act: () => unknown, what = ""): void {
  assert.throws(act, (error) => {
    assert.ok(PawlError.is(error), `${what}: ${String(error)}`);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    assert.ok(error.message.length > 20, error.message);
    return true;
  });
}
