// SPDX-License-Identifier: MPL-2.0
// A reporter for Mocha: what a test comes to is one iteration. With `mocha --reporter loads-mocha` it
// reports one execution of what mocha was told to run; lib/run.js makes it report many.
//
// A test is over when its "after each" hooks are: Mocha says that it passed before they run, and one
// that fails is an error of the test. What fails outside of a test is an iteration by itself.
"use strict";

const { Session } = require("./session");

const IS_ASSERTION = /^Assertion(Error)?|AssertionError/;

// Mocha loads assertions of any library: they agree on the name, Jest's on a property.
function isAssertion(error) {
  return IS_ASSERTION.test(String(error.name)) || error.code === "ERR_ASSERTION" || error.matcherResult !== undefined;
}

// fetch() says "fetch failed", and in its cause why.
function causesOf(error) {
  const causes = [];
  for (let cause = error.cause; cause instanceof Error && causes.length < 5; cause = cause.cause) {
    causes.push(cause);
  }
  return causes;
}

// [exception, class, traceback]
function describe(thrown) {
  const error = thrown instanceof Object ? thrown : new Error(String(thrown));
  const causes = causesOf(error);
  const message = [error, ...causes].map((each) => each.message || each.code || String(each)).join(": ");
  const stack = [error.stack ?? "", ...causes.map((cause) => `Caused by: ${cause.stack}`)].join("\n");
  return [message, String(error.name ?? "Error"), stack];
}

function isAfterEach(hook) {
  return /^"after each" hook/.test(hook.title);
}

class LoadsReporter {
  constructor(runner, options) {
    const { session } = options?.reporterOptions ?? {};
    this.session = session ?? Session.fromEnvironment();
    this.endsSession = !session;
    this.session.nextExecution();
    runner.on("test", (test) => this.begin(test));
    runner.on("hook", (hook) => isAfterEach(hook) || this.finish());
    runner.on("pass", () => this.decide("addSuccess"));
    runner.on("pending", (test) => this.skip(test));
    runner.on("fail", (runnable, error) => this.fail(runnable, error));
    runner.on("suite end", () => this.finish());
    runner.on("end", () => this.finish());
  }

  // Mocha's own command waits for it. How tests went is told: the exit status is for what we could not do.
  done(failures, callback) {
    const ended = this.endsSession ? this.session.end() : Promise.resolve();
    ended.then(() => callback(0));
  }

  begin(test) {
    if (test.currentRetry() > 0) {
      return; // it goes on
    }
    this.finish();
    this.session.start(test.fullTitle());
    this.test = test;
  }

  decide(outcome, error) {
    this.outcome = outcome;
    this.error = error;
  }

  finish() {
    if (this.session.current && this.outcome) {
      this.session.stop(this.outcome, this.error);
    }
    this.outcome = this.error = undefined;
  }

  // One that is skipped while it is on ends without an outcome: that is nothing.
  skip(test) {
    if (this.session.current && test.fullTitle() === this.session.current.test) {
      this.session.stop();
      this.outcome = undefined;
    }
  }

  fail(runnable, error) {
    const isTest = runnable.type === "test";
    if (isTest && this.outcome && this.outcome !== "addSuccess") {
      return; // the first error is what matters
    }
    const inTest = this.session.current && (isTest || runnable.ctx?.currentTest === this.test);
    const outcome = isTest && isAssertion(error) ? "addFailure" : "addError";
    if (!inTest || /^"(before|after) all" hook/.test(runnable.title)) {
      this.finish();
      this.session.start(runnable.fullTitle());
    }
    this.decide(outcome, describe(error));
    if (!isTest && !isAfterEach(runnable)) {
      this.finish();
    }
  }
}

module.exports = LoadsReporter;
