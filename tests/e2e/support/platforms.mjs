// A configuration for each platform that serves Claude, all pointed at the simulated provider.
import { masterKey } from "./processes.mjs";

const tail = `
router_settings:
  optional_pre_call_checks: ["prompt_caching"]
general_settings:
  master_key: ${masterKey}
`;

const deployment = (name, params) => `  - model_name: ${name}
    litellm_params:
${Object.entries(params)
  .map(([key, value]) => `      ${key}: ${value}\n`)
  .join("")}`;

const keys = (account) => ({
  aws_access_key_id: account.aws_access_key_id,
  aws_secret_access_key: account.aws_secret_access_key,
  aws_region_name: "us-west-2",
});

// Upstream → litellm_params of one deployment per account.
const params = {
  bedrock: (url) => (account) => ({
    model: "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    aws_bedrock_runtime_endpoint: url,
    ...keys(account),
  }),
  bedrock_bearer: (url) => (account) => ({
    model: "bedrock/invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    aws_bedrock_runtime_endpoint: url,
    api_key: account.bearer,
    aws_region_name: "us-west-2",
  }),
  bedrock_messages: (url) => (account) => ({
    model: "bedrock/messages/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    aws_bedrock_runtime_endpoint: url,
    ...keys(account),
  }),
  mantle: (url) => (account) => ({
    model: "bedrock/mantle/anthropic.claude-sonnet-4-5",
    api_base: url,
    ...keys(account),
  }),
  claude_on_aws: (url) => (account) => ({
    model: "bedrock/claude_platform/claude-sonnet-4-5",
    api_base: url,
    extra_headers: '{"anthropic-workspace-id": "wrkspc_simulated"}',
    ...keys(account),
  }),
  anthropic: (url) => (account) => ({ model: "anthropic/claude-sonnet-4-5", api_base: url, api_key: account.api_key }),
  vertex: (url) => (account) => ({
    model: "vertex_ai/claude-sonnet-4-5@20250929",
    api_base: url,
    vertex_project: "a-project",
    vertex_location: "us-east5",
    api_key: account.bearer,
  }),
  foundry: (url) => (account) => ({ model: "azure_ai/claude-sonnet-4-5", api_base: url, api_key: account.api_key }),
};

export const platforms = Object.fromEntries(
  Object.entries(params).map(([platform, make]) => [
    platform,
    (name) => (upstream) =>
      `model_list:\n${upstream.accounts.map((account) => deployment(name, make(upstream.url)(account))).join("")}${tail}`,
  ]),
);
