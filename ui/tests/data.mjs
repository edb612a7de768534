// Made-up traffic with the shape of the real thing: sessions of coding agents whose prompt grows
// turn by turn over a few accounts. Deterministic for a seed.
import { createHash } from 'node:crypto'

export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const hash = (text) => createHash('sha256').update(text).digest('hex')
function uuid(rand) {
  const hex = Array.from({ length: 32 }, () => Math.floor(rand() * 16).toString(16)).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const MODELS = [
  { group: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', in: 3, out: 15 },
  { group: 'us.anthropic.claude-opus-4-8-v1:0', in: 5, out: 25 },
  { group: 'us.anthropic.claude-haiku-4-5-20251001-v1:0', in: 1, out: 5 },
]
const ACCOUNTS = [
  ['account-1', 'us-west-2'],
  ['account-2', 'us-west-2'],
  ['account-3', 'us-east-1'],
]
const ERRORS = [
  [429, 'RATE_LIMITED', 'Too many tokens, please wait before trying again.'],
  [503, 'OVERLOADED', 'The upstream is overloaded'],
  [400, 'UPSTREAM_REFUSED', 'prompt is too long: 213462 tokens > 200000 maximum'],
  [499, 'CLIENT_GONE', 'The client closed the connection'],
]

export const PRICES = new Map()
export const DEPLOYMENTS = MODELS.flatMap((model) =>
  ACCOUNTS.slice(0, model.in === 5 ? 2 : 3).map(([profile, region], i) => {
    const id = hash(`${model.group}/${profile}/${region}`)
    PRICES.set(id, {
      input_cost_per_token: model.in / 1e6,
      output_cost_per_token: model.out / 1e6,
      cache_read_input_token_cost: (model.in * 0.1) / 1e6,
      cache_creation_input_token_cost: (model.in * 1.25) / 1e6,
      cache_creation_input_token_cost_above_1hr: (model.in * 2) / 1e6,
    })
    return {
      model_id: id,
      model_group: model.group,
      model: model.group,
      provider: 'bedrock',
      aws_profile_name: profile,
      region,
      healthy: !(model.in === 1 && i === 2),
      cooling_ms: model.in === 1 && i === 2 ? 3400 : 0,
      cooling_reason: model.in === 1 && i === 2 ? 'rate limited' : '',
      in_flight: (i * 3 + model.in) % 4,
      requests: 0,
      failures: 0,
      latency_ms: 640 + 220 * i + 90 * model.in,
      cache_entries: 1840 - 410 * i,
      predicted_read: 0,
      actual_read: 0,
      actual_write: 0,
      actual_uncached: 0,
      cache_anomalies: model.in === 5 && i === 1 ? ['ttl_shortened'] : [],
      credentials: `profile ${profile}, refreshed 12 min ago`,
    }
  }),
)

function priced(row) {
  const price = PRICES.get(row.model_id)
  const uncached = row.prompt_tokens - row.cache_read_input_tokens - row.cache_creation_input_tokens
  const input =
    uncached * price.input_cost_per_token +
    row.cache_read_input_tokens * price.cache_read_input_token_cost +
    row.cache_creation_5m_input_tokens * price.cache_creation_input_token_cost +
    row.cache_creation_1h_input_tokens * price.cache_creation_input_token_cost_above_1hr
  row.spend = input + row.completion_tokens * price.output_cost_per_token
  row.saved = row.prompt_tokens * price.input_cost_per_token - input
}

function newSession(rand) {
  const model = MODELS[rand() < 0.62 ? 0 : rand() < 0.55 ? 1 : 2]
  const homes = DEPLOYMENTS.filter((entry) => entry.model_group === model.group)
  return {
    id: uuid(rand),
    model,
    homes,
    home: homes[Math.floor(rand() * homes.length)],
    cached: 0,
    prompt: 24_000 + Math.floor(rand() * 9000),
    left: 3 + Math.floor(rand() * rand() * 60),
    address: `10.0.${Math.floor(rand() * 3)}.${10 + Math.floor(rand() * 40)}`,
    agent: rand() < 0.8 ? 'claude-cli/2.1.197 (external, cli)' : 'claude-cli/2.1.197 (external, sdk-cli)',
  }
}

export function makeRow(rand, session, at) {
  const failure = rand() < 0.018 ? ERRORS[Math.floor(rand() * ERRORS.length)] : null
  const retried = !failure && rand() < 0.02
  if (retried || rand() < 0.004) {
    session.home = session.homes[Math.floor(rand() * session.homes.length)]
    session.cached = 0
  }
  // The head (tools and system) is often warm already from another session.
  const warmHead = session.cached === 0 && rand() < 0.6 ? 21_400 : 0
  const read = session.cached || warmHead
  const predicted = rand() < 0.04 ? 0 : read
  const tail = 3 + Math.floor(rand() * 220)
  const write = Math.max(0, session.prompt - read - tail)
  const hour = rand() < 0.25
  const output = 40 + Math.floor(rand() * rand() * 2600)
  const ttft = 420 + Math.floor(rand() * 900 + write / 22)
  const ms = ttft + Math.floor(output * (9 + rand() * 6)) + (retried ? 900 : 0)
  const row = {
    request_id: uuid(rand),
    call_type: 'anthropic_messages',
    model: session.model.group,
    model_id: session.home.model_id,
    model_group: session.model.group,
    api_base: `https://bedrock-runtime.${session.home.region}.amazonaws.com`,
    custom_llm_provider: 'bedrock',
    startTime: new Date(at).toISOString(),
    completionStartTime: failure ? null : new Date(at + ttft).toISOString(),
    endTime: new Date(at + (failure ? 380 : ms)).toISOString(),
    prompt_tokens: failure ? 0 : session.prompt,
    completion_tokens: failure ? 0 : output,
    total_tokens: failure ? 0 : session.prompt + output,
    cache_read_input_tokens: failure ? 0 : read,
    cache_creation_input_tokens: failure ? 0 : write,
    cache_creation_5m_input_tokens: failure || hour ? 0 : write,
    cache_creation_1h_input_tokens: failure || !hour ? 0 : write,
    spend: 0,
    saved: 0,
    status: failure ? 'failure' : 'success',
    session_id: session.id,
    user_agent: session.agent,
    requester_ip_address: session.address,
    request_duration_ms: failure ? 380 : ms,
    ttft_ms: failure ? 0 : ttft,
    overhead_us: 90 + Math.floor(rand() * 260),
    attempted_retries: retried ? 1 : 0,
    attempted_fallbacks: 0,
    predicted_cache_read_tokens: failure ? 0 : predicted,
    http_status: failure ? failure[0] : 200,
    error_code: failure ? failure[1] : '',
    error_message: failure ? failure[2] : '',
    stream: true,
    estimated: false,
    metadata: { stop_reason: failure ? null : rand() < 0.7 ? 'tool_use' : 'end_turn', service_tier: 'standard' },
  }
  if (!failure) {
    priced(row)
    session.cached = session.prompt - tail
    session.prompt += output + 300 + Math.floor(rand() * 3000)
  }
  session.left--
  return row
}

export class Traffic {
  constructor(seed = 1) {
    this.rand = random(seed)
    this.sessions = []
  }
  next(at) {
    const { rand, sessions } = this
    if (sessions.length < 14) sessions.push(newSession(rand))
    const index = Math.floor(rand() * sessions.length)
    const session = sessions[index]
    const row = makeRow(rand, session, at)
    if (session.left <= 0 || session.prompt > 190_000) sessions.splice(index, 1)
    return row
  }
}

// Newest first. Density follows a working day; two thirds lie in the last 24 hours.
export function makeRows(count, now, seed = 1) {
  const traffic = new Traffic(seed)
  const rand = random(seed + 7)
  const times = []
  while (times.length < count) {
    const ago = rand() < 0.66 ? rand() * 86_400_000 : rand() * 20 * 86_400_000
    const hour = new Date(now - ago).getUTCHours()
    if (rand() < 0.25 + 0.75 * Math.exp(-((hour - 14) ** 2) / 18)) times.push(now - Math.floor(ago) - 1500)
  }
  times.sort((a, b) => a - b)
  return times.map((at) => traffic.next(at)).reverse()
}

export function detailOf(row) {
  const homes = DEPLOYMENTS.filter((entry) => entry.model_group === row.model_group)
  const chosen = homes.find((entry) => entry.model_id === row.model_id) ?? homes[0]
  const others = homes.filter((entry) => entry !== chosen)
  const read = row.predicted_cache_read_tokens
  const prompt = row.prompt_tokens || 31_000
  const candidate = (entry, reason, usable, warm) => ({
    model_id: entry.model_id,
    reason,
    usable,
    predicted_read: warm,
    predicted_write: prompt - warm - 40,
    predicted_uncached: 40,
    predicted_cost:
      warm * PRICES.get(entry.model_id).cache_read_input_token_cost +
      (prompt - warm) * PRICES.get(entry.model_id).cache_creation_input_token_cost,
    in_flight: entry.in_flight,
    cooling_ms: usable ? 0 : 2800,
  })
  const failure = row.status !== 'success'
  const attempts = []
  let at = 0.4
  if (row.attempted_retries > 0) {
    attempts.push({ model_id: (others[0] ?? chosen).model_id, api_base: row.api_base, status: 429, error: 'RATE_LIMITED', started_ms: 0.4, connected_ms: 38, first_byte_ms: 410, ended_ms: 412, reused: false })
    at = 640
  }
  attempts.push({
    model_id: row.model_id,
    api_base: row.api_base,
    status: failure ? row.http_status : 200,
    error: failure ? row.error_code : null,
    started_ms: at,
    connected_ms: at + 0.1,
    first_byte_ms: failure ? at + 300 : row.ttft_ms,
    ended_ms: row.request_duration_ms,
    reused: true,
  })
  return {
    ...row,
    headers: { 'user-agent': row.user_agent, 'anthropic-version': '2023-06-01', 'x-api-key': '(hidden, 17 bytes)' },
    decision: row.call_type === 'keep_warm' ? { group: row.model_group, candidates: [], keep_warm: { idle_s: 280, return_odds: 0.31, expected_price: 0.03, expected_gain: 0.08, tokens: 100_000, ttl_s: 300 } } : {
      group: row.model_group,
      blocks: 58,
      breakpoints: 3,
      estimated_tokens: prompt,
      waited_ms: 0,
      ...(row.cache_read_input_tokens === 0 && { divergence: { index: 2, tier: 'system', kind: 'text', shared_blocks: 2, shared_tokens: 1800, previous_blocks: 40 } }),
      candidates: [
        candidate(chosen, read > 0 ? 'cache' : 'strategy', true, read),
        ...others.map((entry, i) => candidate(entry, i === 0 ? 'strategy' : 'cooling', i === 0, i === 0 ? Math.min(read, 21_400) : 0)),
      ],
    },
    attempts,
    dropped: ['anthropic-beta: oauth-2025-04-20', 'cache_control.scope'],
  }
}
