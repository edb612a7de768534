"""Signs requests with botocore, AWS's own signer.

stdin: a JSON list of {method, url, headers (those that were signed), body (base64), date
(YYYYMMDDTHHMMSSZ), service, region, access_key, secret_key, token}; stdout: a JSON list of signatures.
"""

import base64
import json
import sys
from datetime import datetime
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(one):
    credentials = Credentials(one["access_key"], one["secret_key"], one.get("token"))
    signer = auth.SigV4Auth(credentials, one["service"], one["region"])
    skipped = {"x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "authorization"}
    headers = {name: value for name, value in one["headers"].items() if name not in skipped}
    request = AWSRequest(method=one["method"], url=one["url"], headers=headers, data=base64.b64decode(one["body"]))
    if "x-amz-content-sha256" in one["headers"]:
        request.headers["X-Amz-Content-SHA256"] = one["headers"]["x-amz-content-sha256"]
    moment = datetime.strptime(one["date"], "%Y%m%dT%H%M%SZ")
    with mock.patch.object(auth, "get_current_datetime", return_value=moment, create=True):
        signer.add_auth(request)
    return request.headers["Authorization"].rsplit("Signature=", 1)[1]


if __name__ == "__main__":
    print(json.dumps([sign(one) for one in json.load(sys.stdin)]))
