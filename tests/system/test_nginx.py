# SPDX-License-Identifier: MPL-2.0
"""The nginx that other tests measure against: what it logs is what it answered."""

import http.client


def test_logs_what_it_answered(nginx):
    connection = http.client.HTTPConnection(nginx.url[len("http://") :])
    for path, status in (("/", 200), ("/empty", 204), ("/nothing?a=b", 404)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
    log = nginx.access_log()
    assert [(line.method, line.uri, line.status) for line in log] == [
        ("GET", "/", 200),
        ("GET", "/empty", 204),
        ("GET", "/nothing?a=b", 404),
    ]
    assert [line.connection_requests for line in log] == [1, 2, 3]
    assert len({line.connection for line in log}) == 1
    assert len(nginx.access_log()) == 3
