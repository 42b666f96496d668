# SPDX-License-Identifier: MPL-2.0
"""Load tests that are functional tests, in Python. A test is a method of a loads.case.TestCase."""
