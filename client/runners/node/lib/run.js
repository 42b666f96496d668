// SPDX-License-Identifier: MPL-2.0
// Executes the tests of one file again and again, in one instance of Mocha that has loaded it once.
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const Reporter = require("./reporter");
const { Session } = require("./session");

// Said in one line; anything else that is thrown has a stack that somebody needs.
class Refusal extends Error {}

// FILE, or FILE:TITLE where no file has the whole name.
function split(name) {
  for (let at = name.length; at > 0; at = name.lastIndexOf(":", at - 1)) {
    const file = path.resolve(name.slice(0, at));
    if (fs.statSync(file, { throwIfNoEntry: false })?.isFile()) {
      return { file, title: name.slice(at + 1) };
    }
  }
  throw new Refusal(`there is no file '${name}'`);
}

// The test's own Mocha, since what it requires of 'mocha' belongs to that; else the one beside us.
function findMocha(file) {
  for (const from of [file, __filename]) {
    try {
      return createRequire(from)("mocha");
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") {
        throw error;
      }
    }
  }
  throw new Refusal("there is no mocha: npm install mocha");
}

async function load(mocha, file, modules) {
  const require = createRequire(path.join(process.cwd(), "x"));
  for (const name of modules) {
    require(/^\.{1,2}\//.test(name) || path.isAbsolute(name) ? path.resolve(name) : name);
  }
  mocha.addFile(file);
  mocha.lazyLoadFiles(true); // it isn't loaded again for each execution
  await mocha.loadFilesAsync();
}

function makeSession() {
  try {
    return Session.fromEnvironment();
  } catch (error) {
    throw new Refusal(error.message);
  }
}

async function run(name, options) {
  const { file, title } = split(name);
  const session = makeSession();
  const Mocha = findMocha(file);
  const mocha = new Mocha({
    ui: options.ui ?? "bdd",
    timeout: Number(options.timeout ?? 2000),
    reporter: Reporter,
    reporterOptions: { session },
  });
  mocha.cleanReferencesAfterRun(false);
  if (title) {
    mocha.fgrep(title);
  } else if (options.grep) {
    mocha.grep(new RegExp(options.grep));
  }
  await load(mocha, file, options.require);
  await repeat(mocha, session);
}

async function repeat(mocha, session) {
  const end = performance.now() + session.duration * 1000;
  while (session.duration > 0 ? performance.now() < end : session.execution < session.hits) {
    const runner = await execute(mocha);
    if (runner.total === 0) {
      throw new Refusal("no test of the file has such a title, or it has none at all");
    }
    await session.sender.room();
  }
  await session.end();
}

function execute(mocha) {
  return new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner));
  });
}

module.exports = { run, Refusal };
