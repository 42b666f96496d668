# SPDX-License-Identifier: MPL-2.0
"""Executes tests for virtual users: what loads-runner starts for tests in Python.

Users are threads, which gevent makes greenlets, with all that they wait in; so nothing but this module is
imported before it has done that."""

import argparse
import collections
import importlib
import inspect
import os
import signal
import sys
import threading
import time
import traceback
import unittest


#: A test: its FQN, its class, the method's name.
Test = collections.namedtuple("Test", "fqn suite name")


class CannotRun(Exception):
    """The test can't be executed; its text says why."""


class CannotImport(CannotRun):
    """Its text is a traceback."""


# ---- finding a test ----


def import_module(name):
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise CannotRun(f"there is no module '{name}': run from the directory where its path begins") from None
        raise CannotImport(words_of(error)) from None


def words_of(error):
    """The traceback from where the module's own lines begin."""
    trace = error.__traceback__
    while trace and (trace.tb_frame.f_code.co_filename == __file__ or
                     "importlib" in trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def tests_of(suite):
    return [name for name in unittest.TestLoader().getTestCaseNames(suite)
            if callable(getattr(suite, name))]


def find_test(fqn):
    """The Test of path.to.module.Class.test."""
    module_name, _, rest = fqn.rpartition(".")
    module_name, _, class_name = module_name.rpartition(".")
    if not module_name:
        raise CannotRun(f"'{fqn}' is not a test's name, such as example.TestWebSite.test_es")
    module = import_module(module_name)
    suite = getattr(module, class_name, None)
    if suite is None:
        names = ", ".join(sorted(found.__name__ for found in suites_of(module))) or "none"
        raise CannotRun(f"there is no class '{class_name}' in {module.__file__}; with tests: {names}")
    if not (inspect.isclass(suite) and issubclass(suite, unittest.TestCase)):
        raise CannotRun(f"'{class_name}' in {module.__file__} is not a TestCase of loads.case")
    if not callable(getattr(suite, rest, None)):
        names = ", ".join(tests_of(suite)) or "none"
        raise CannotRun(f"there is no test '{rest}' in {class_name} of {module.__file__}; there are: {names}")
    return Test(fqn, suite, rest)


def find_tests(fqns, before=lambda: None):
    """before() is called before each module but the first is imported."""
    tests, modules = [], set()
    for fqn in fqns:
        module = fqn.rsplit(".", 2)[0]
        if modules and module not in modules:
            before()
        modules.add(module)
        try:
            tests.append(find_test(fqn))
        except CannotRun as error:
            raise type(error)(f"{fqn}: {error}" if len(fqns) > 1 else str(error)) from None
    return tests


def suites_of(module):
    return [value for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, unittest.TestCase)
            and value.__module__ == module.__name__]


def place_of(suite, name):
    code = inspect.unwrap(getattr(suite, name)).__code__
    return f"{suite.__name__}.{name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


def places(module_name):
    module = import_module(module_name)
    found = [(suite, name) for suite in suites_of(module) for name in tests_of(suite)]
    found.sort(key=lambda test: inspect.unwrap(getattr(*test)).__code__.co_firstlineno)
    return [place_of(suite, name) for suite, name in found]


def look(options):
    """Where tests are, or in a line why there are none, to standard output, which nobody else writes to: what a
    module prints goes to standard error; an empty line says that the next module is imported. The exit status says
    which (daemons/worker/python.c)."""
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        try:
            if options.list:
                lines = [place for module in options.tests for place in places(module)]
            else:
                tests = find_tests(options.tests, lambda: print(file=output, flush=True))
                lines = [place_of(test.suite, test.name) for test in tests]
        except CannotImport:
            raise
        except CannotRun as error:
            print(error, file=output)
            return 3
        for line in lines:
            print(line, file=output)
    return 0


# ---- executing it ----


class Result(unittest.TestResult):
    """How one execution went: its first trouble is what it counts as, the others are told with it."""

    def __init__(self, user):
        super().__init__()
        self.user = user
        self.troubles = []
        self.skipped = False

    def startTest(self, test):
        self.troubles = []
        self.user.debug.last = None
        self.skipped = False
        self.user.tell("startTest")

    def stopTest(self, test):
        from loads.report import describe
        if not self.troubles and not self.skipped:
            self.user.tell("addSuccess")
        elif self.troubles:
            data_type, error = self.troubles[0]
            exc_info = describe(error)
            exc_info[2] += "".join("\nand then:\n" + describe(other)[2] for _, other in self.troubles[1:])
            self.user.tell(data_type, exc_info=exc_info)
            self.user.debug.failures(self.troubles, test)
        self.user.tell("stopTest")

    def addError(self, test, error):
        self.troubles.append(("addError", error))

    def addFailure(self, test, error):
        self.troubles.append(("addFailure", error))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            failed = issubclass(error[0], test.failureException)
            self.troubles.append(("addFailure" if failed else "addError", error))

    def addUnexpectedSuccess(self, test):
        try:
            raise AssertionError("it succeeded, which was not expected")
        except AssertionError:
            self.troubles.append(("addFailure", sys.exc_info()))

    def addSkip(self, test, reason):
        self.skipped = True
        self.user.tell("incr_counter", name="skipped")

    def addSuccess(self, test):
        pass

    def addExpectedFailure(self, test, error):
        pass


class Turns:
    """Who begins an execution waits until no answer waits to be read by another user: else the time that it takes
    to begin would be part of the time which that one measures. One at a time, since all who wait for an idle loop
    go on together; not for ever, since a test may keep the loop from being idle."""

    MAX_SECONDS = 0.02

    def __init__(self):
        import gevent
        import gevent.lock
        self.gevent = gevent
        self.lock = gevent.lock.BoundedSemaphore()

    def wait(self):
        with self.lock, self.gevent.Timeout(self.MAX_SECONDS, False):
            self.gevent.idle()


class Run:
    """All users of this process."""

    def __init__(self, fqns, turns):
        from loads.report import Report
        self.turns = turns
        self.tests = find_tests(fqns)
        if len(fqns) > 1 and "LOADS_CONTROL" not in os.environ:
            raise CannotRun("who executes which of several tests is for loads-runner to say: without it, name one")
        self.report = Report(several=len(fqns) > 1)
        self.first = int(os.environ["LOADS_CURRENT_USER"])
        self.choices = None  # there is but one
        self.deadline = None  # of time.monotonic()
        self.may_begin = threading.Event()
        self.stopping = False
        self.failed = False

    def wait_for_the_cycle(self):
        """For the word of who started us, if they are one to give it."""
        if "LOADS_CONTROL" in os.environ:
            from loads.control import Choices, Control
            control = Control(int(os.environ.pop("LOADS_CONTROL")), self.begin, self.stop)
            if len(self.tests) > 1:
                self.choices = Choices(control, self.numbers())
            control.ready()
            self.may_begin.wait()
        elif "LOADS_TOTAL_HITS" not in os.environ:
            self.deadline = time.monotonic() + float(os.environ["LOADS_DURATION"])

    def begin(self, deadline):
        self.deadline = deadline
        self.may_begin.set()

    def stop(self, gone):
        self.stopping = True
        if gone:
            self.may_begin.set()

    def numbers(self):
        return range(self.first, self.first + self.report.users)

    def may_go_on(self, user):
        if self.stopping:
            return False
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return False
        return self.report.hits == 0 or user.hit < self.report.hits

    def choose(self, user, cases):
        """What the user executes next, as an object of its class, of which it has one. None: nothing more."""
        number = 0 if self.choices is None else self.choices.next(user)
        if number is None:
            return None
        user.test, suite, name = self.tests[number]
        if suite not in cases:
            cases[suite] = suite(name)
            cases[suite]._user = user
        cases[suite]._testMethodName = name  # unittest knows no other way for what is in `self` to stay there
        return cases[suite]

    def live(self, number):
        """The life of a user."""
        from loads.user import User
        user = User(number, self.report)
        cases = {}
        result = Result(user)
        try:
            while self.may_go_on(user) and (case := self.choose(user, cases)) is not None:
                if self.turns is not None:
                    self.turns.wait()
                user.hit += 1
                case.run(result)
            user.close()
        except BaseException:
            self.failed = True
            raise

    def on_cut(self, number, frame):
        """What is on is interrupted, and counted as that by who interrupts it."""
        self.report.close_in_handler()
        os._exit(0)

    def run(self):
        signal.signal(signal.SIGTERM, self.on_cut)
        suites = list(dict.fromkeys(test.suite for test in self.tests))
        modules = list(dict.fromkeys(sys.modules[suite.__module__] for suite in suites))
        for module in modules:
            getattr(module, "setUpModule", lambda: None)()
        for suite in suites:
            suite.setUpClass()
        users = [threading.Thread(target=self.live, args=(number,), daemon=True) for number in self.numbers()]
        self.wait_for_the_cycle()
        for user in users:
            user.start()
        for user in users:
            user.join()
        for suite in reversed(suites):
            suite.tearDownClass()
            suite.doClassCleanups()
        for module in reversed(modules):
            getattr(module, "tearDownModule", lambda: None)()
        unittest.case.doModuleCleanups()
        self.report.close()
        return 1 if self.failed else 0


# ---- the command ----


def patch():
    try:
        from gevent import monkey
    except ImportError:
        raise CannotRun("gevent is missing: install the package python3-gevent, or use --no-patching") from None
    monkey.patch_all()


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python3 -m loads.runner", allow_abbrev=False,
        description="Executes tests for the virtual users that the environment tells of. Started by "
                    "loads-runner and loads-agent; see loads-external-runner(7).")
    parser.add_argument("--no-patching", action="store_true",
                        help="leave Python's blocking calls as they are; users are threads then")
    parser.add_argument("--server-url", metavar="URL", help="what `app` talks to")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only import the tests, and say where they are")
    what.add_argument("--list", action="store_true", help="say which tests there are in a module")
    parser.add_argument("tests", metavar="TEST", nargs="+", help="path.to.module.Class.test; with --list, a module")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    try:
        if options.check or options.list:
            return look(options)
        if "LOADS_ZMQ_RECEIVER" not in os.environ:
            raise CannotRun("this is started by loads-runner and loads-agent; by itself, a test runs under "
                            "python3 -m unittest")
        if not options.no_patching:
            patch()
        if options.server_url:
            os.environ["LOADS_SERVER_URL"] = options.server_url
        return Run(options.tests, None if options.no_patching else Turns()).run()
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
