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

// The client as a user of the platform has it without a gateway.
export const direct = {
  bedrock: (url, account) => modes.bedrock({ url, key: account.bearer, model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0" }),
  bedrock_messages: (url, account) =>
    modes.messages({ url: `${url}/anthropic`, key: account.bearer, model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0" }),
  mantle: (url, account) => modes.mantle({ url, key: account.bearer, model: "anthropic.claude-sonnet-4-5" }),
  claude_on_aws: (url, account) => modes.aws({ url, key: account.api_key, model: "claude-sonnet-4-5" }),
  anthropic: (url, account) => modes.messages({ url, key: account.api_key, model: "claude-sonnet-4-5" }),
  vertex: (url, account) => modes.vertex({ url, key: account.bearer, model: "claude-sonnet-4-5@20250929" }),
  foundry: (url, account) => modes.foundry({ url, key: account.api_key, model: "claude-sonnet-4-5" }),
};
