"""The official Python SDKs against the gateway: prints one JSON object of what was seen.

Environment: GATEWAY (URL), KEY, MODEL. Every check raises where the answer is not what the SDK
makes of the provider's own; the last line of stdout is the outcome.
"""

import json
import os

import anthropic
import boto3
from botocore.config import Config

GATEWAY, KEY, MODEL = os.environ["GATEWAY"], os.environ["KEY"], os.environ["MODEL"]
HELLO = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
SCRIPT = {**HELLO, "messages": [{"role": "user", "content": "[[sim: think hm | text one two]]"}]}


def native(client):
    message = client.messages.create(**HELLO)
    assert message.type == "message" and message.model == MODEL, message
    with client.messages.stream(**SCRIPT) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert "message_start" in kinds and "message_stop" in kinds, kinds
    assert [block.type for block in final.content] == ["thinking", "text"], final
    return final.usage.input_tokens


def counts(client):
    native(client)
    assert client.messages.count_tokens(model=MODEL, messages=HELLO["messages"]).input_tokens > 0


def refused(call, error, status):
    try:
        call()
    except error as problem:
        assert problem.status_code == status, problem
        return problem.body
    raise AssertionError(f"no {error.__name__}")


def anthropic_client():
    client = anthropic.Anthropic(base_url=GATEWAY, auth_token=KEY, max_retries=0)
    counts(client)
    assert client.models.list().data[0].id == MODEL
    wrong = anthropic.Anthropic(base_url=GATEWAY, api_key="sk-wrong", max_retries=0)
    body = refused(lambda: wrong.messages.create(**HELLO), anthropic.AuthenticationError, 401)
    assert body["error"]["type"] == "authentication_error", body
    unknown = {**HELLO, "model": "nope"}
    refused(lambda: client.messages.create(**unknown), anthropic.NotFoundError, 404)


def bedrock_client():
    client = anthropic.AnthropicBedrock(
        base_url=GATEWAY, aws_region="us-west-2", aws_access_key="unused", aws_secret_key="unused",
        max_retries=0, default_headers={"x-api-key": KEY})
    native(client)


def mantle_client():
    client = anthropic.AnthropicBedrockMantle(base_url=f"{GATEWAY}/anthropic", aws_region="us-west-2", api_key=KEY, max_retries=0)
    counts(client)


def aws_client():
    client = anthropic.AnthropicAWS(base_url=GATEWAY, aws_region="us-west-2", workspace_id="wrkspc_1", api_key=KEY, max_retries=0)
    counts(client)


def vertex_client():
    client = anthropic.AnthropicVertex(base_url=f"{GATEWAY}/v1", region="us-east5", project_id="a-project", access_token=KEY, max_retries=0)
    counts(client)
    unknown = {**HELLO, "model": "nope"}
    refused(lambda: client.messages.create(**unknown), anthropic.NotFoundError, 404)


def google_cloud_client():
    client = anthropic.AnthropicGoogleCloud(base_url=GATEWAY, workspace_id="wrkspc_1", token_provider=lambda: KEY, max_retries=0)
    counts(client)


def foundry_client():
    client = anthropic.AnthropicFoundry(base_url=f"{GATEWAY}/anthropic", api_key=KEY, max_retries=0)
    counts(client)


def boto_client():
    """boto3's own Bedrock client. (Its bearer tokens want HTTPS; the key goes as a header.)"""
    client = boto3.client("bedrock-runtime", region_name="us-west-2", endpoint_url=GATEWAY,
                          aws_access_key_id="unused", aws_secret_access_key="unused",
                          config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register(
        "before-sign.bedrock-runtime", lambda request, **_: request.headers.add_header("x-api-key", KEY))
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", **{k: v for k, v in SCRIPT.items() if k != "model"}})
    whole = json.loads(client.invoke_model(modelId=MODEL, body=body)["body"].read())
    assert whole["type"] == "message", whole
    events = [json.loads(event["chunk"]["bytes"])["type"]
              for event in client.invoke_model_with_response_stream(modelId=MODEL, body=body)["body"]]
    assert events[0] == "message_start" and events[-1] == "message_stop", events
    try:
        client.invoke_model(modelId="nope", body=body)
        raise AssertionError("an unknown model was served")
    except client.exceptions.ResourceNotFoundException:
        pass


CHECKS = {
    "Anthropic": anthropic_client,
    "AnthropicBedrock": bedrock_client,
    "AnthropicBedrockMantle": mantle_client,
    "AnthropicAWS": aws_client,
    "AnthropicVertex": vertex_client,
    "AnthropicGoogleCloud": google_cloud_client,
    "AnthropicFoundry": foundry_client,
    "boto3": boto_client,
}

if __name__ == "__main__":
    for check in CHECKS.values():
        check()
    print(json.dumps({"passed": list(CHECKS)}))
