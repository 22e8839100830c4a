// The engine of scripts in JavaScript: runs one function of a script that it is given, with what the host answers.
// A script never meets another one: the host makes a new sandbox for each call.
import * as auditLog from "bailiwick:audit/log@0.1.0";
import * as auditRead from "bailiwick:audit/read@0.1.0";
import * as clock from "bailiwick:clock/clock@0.1.0";
import * as config from "bailiwick:config/config@0.1.0";
import * as invoke from "bailiwick:invoke/invoke@0.1.0";
import * as log from "bailiwick:log/log@0.1.0";
import * as random from "bailiwick:random/random@0.1.0";

// What a script sees of the host. What was not granted answers with an error, code "denied".
const host = Object.freeze({
  // Milliseconds since 1970 UTC; nanoseconds are more than a number here can hold.
  now: () => asked(() => Number(BigInt(clock.now()) / 1000000n)),
  // A whole number from 0 to 2^53-1.
  randomNumber: () => asked(() => Array.from(random.bytes(7)).reduce((sum, byte, at) => sum * (at ? 256 : 1) + (at ? byte : byte % 32), 0)),
  randomBytes: (count) => asked(() => Array.from(random.bytes(count))),
  config: (name) => asked(() => {
    const text = config.get(name);
    return text === undefined || text === null ? null : JSON.parse(text);
  }),
  configNames: () => asked(() => config.names()),
  log: (level, message) => asked(() => { log.write(level, String(message)); return null; }),
  audit: (eventType, resource, detail) => asked(() => {
    auditLog.recordEvent({ eventType, resource, detail: JSON.stringify(detail === undefined ? null : detail) });
    return null;
  }),
  records: (start, limit) => asked(() => auditRead.records(BigInt(start), limit)),
  call: (module, name, input) => asked(() => JSON.parse(invoke.invoke(module, name, JSON.stringify(input)))),
});

// Gives what the host answers, or throws its refusal as {code, message}.
function asked(question) {
  try {
    return question();
  } catch (error) {
    const told = error && error.payload ? error.payload : error;
    throw { code: String((told && told.code) || "host"), message: String((told && told.message) || told) };
  }
}

export function run({ script, function: name, input }) {
  const own = name.replace(/[.-]/g, "_");
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(own)) throw { code: "function-unknown", message: `${name} cannot be a function` };
  const chosen = `return typeof ${own} === "function" ? ${own} : undefined;`;
  const made = new Function("host", `"use strict";\n${script}\n${chosen}`);
  const found = made(host);
  if (found === undefined) throw { code: "function-unknown", message: `the script has no function ${own}` };
  const given = found(input);
  return given === undefined ? null : given;
}
