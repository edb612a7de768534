// Claude Code's ways to speak to a platform, as environments: each may point at the platform itself
// or at the gateway.
const none = { ANTHROPIC_BASE_URL: "", ANTHROPIC_AUTH_TOKEN: "" };
const models = (model) => ({ ANTHROPIC_MODEL: model, ANTHROPIC_SMALL_FAST_MODEL: model, ANTHROPIC_DEFAULT_HAIKU_MODEL: model });

export const modes = {
  messages: ({ url, key, model }) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: key, ...models(model) }),
  bedrock: ({ url, key, model }) => ({
    ...none,
    ...models(model),
    CLAUDE_CODE_USE_BEDROCK: "1",
    ANTHROPIC_BEDROCK_BASE_URL: url,
    AWS_BEARER_TOKEN_BEDROCK: key,
    AWS_REGION: "us-west-2",
  }),
  mantle: ({ url, key, model }) => ({
    ...none,
    ...models(model),
    CLAUDE_CODE_USE_MANTLE: "1",
    ANTHROPIC_BEDROCK_MANTLE_BASE_URL: url,
    AWS_BEARER_TOKEN_BEDROCK: key,
    AWS_REGION: "us-west-2",
  }),
  aws: ({ url, key, model }) => ({
    ...none,
    ...models(model),
    CLAUDE_CODE_USE_ANTHROPIC_AWS: "1",
    ANTHROPIC_AWS_BASE_URL: url,
    ANTHROPIC_AWS_API_KEY: key,
    ANTHROPIC_AWS_WORKSPACE_ID: "wrkspc_simulated",
    AWS_REGION: "us-west-2",
  }),
  vertex: ({ url, key, model }) => ({
    ...none,
    ...models(model),
    CLAUDE_CODE_USE_VERTEX: "1",
    ANTHROPIC_VERTEX_BASE_URL: `${url}/v1`,
    ANTHROPIC_VERTEX_PROJECT_ID: "a-project",
    CLOUD_ML_REGION: "us-east5",
    CLAUDE_CODE_SKIP_VERTEX_AUTH: "1",
    ANTHROPIC_AUTH_TOKEN: key,
  }),
  foundry: ({ url, key, model }) => ({
    ...none,
    ...models(model),
    CLAUDE_CODE_USE_FOUNDRY: "1",
    ANTHROPIC_FOUNDRY_BASE_URL: `${url}/anthropic`,
    ANTHROPIC_FOUNDRY_API_KEY: key,
  }),
};

// Which mode a user of the platform has, the name of the model there, and the kind of key.
const own = {
  bedrock: ["bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bearer"],
  bedrock_messages: ["messages", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bearer", "/anthropic"],
  mantle: ["mantle", "anthropic.claude-sonnet-4-5", "bearer"],
  claude_on_aws: ["aws", "claude-sonnet-4-5", "api_key"],
  anthropic: ["messages", "claude-sonnet-4-5", "api_key"],
  vertex: ["vertex", "claude-sonnet-4-5@20250929", "bearer"],
  foundry: ["foundry", "claude-sonnet-4-5", "api_key"],
};

export const withModes = Object.keys(own);
export const modelOf = (platform) => own[platform][1];

// The client as it speaks to the platform itself.
export function direct(platform, upstream, account) {
  const [mode, model, key, below = ""] = own[platform];
  return modes[mode]({ url: upstream.url + below, key: account[key], model });
}

// The same client, pointed at the gateway.
export function pointed(platform, gateway, key) {
  const [mode, model, , below = ""] = own[platform];
  return modes[mode]({ url: gateway.url + below, key, model });
}
