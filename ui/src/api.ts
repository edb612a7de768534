// The gateway's console API: the only place that knows its addresses and shapes. Everything is
// same-origin; the session is an HttpOnly cookie.

export interface Row {
  request_id: string
  call_type: string
  model: string // as the deployment was asked for it
  requested_model: string // as the client asked for it
  model_id: string
  model_group: string
  api_base: string
  custom_llm_provider: string
  startTime: string | number
  completionStartTime: string | number | null
  endTime: string | number | null
  prompt_tokens: number // everything read: uncached + cache read + cache creation
  completion_tokens: number
  total_tokens: number
  cache_read_input_tokens: number
  cache_creation_input_tokens: number
  cache_creation_5m_input_tokens: number
  cache_creation_1h_input_tokens: number
  spend: number // USD
  saved: number // USD against the same request without a cache; negative when only written
  kept_warm_saved?: number // USD of it that renewals made possible
  status: string // success | failure
  session_id: string
  agent_id?: string
  user_agent: string
  requester_ip_address: string
  request_duration_ms: number
  ttft_ms: number
  overhead_us: number
  attempted_retries: number
  attempted_fallbacks: number
  predicted_cache_read_tokens: number
  http_status: number
  error_code: string
  error_message: string
  stream: boolean
  estimated: boolean
  metadata?: unknown
}

export interface Candidate {
  model_id: string
  reason: string
  usable: boolean
  predicted_read: number
  predicted_write: number
  predicted_uncached: number
  predicted_cost?: number | null
  expected_cost?: number | null
  confidence?: number
  headroom?: number
  in_flight: number
  cooling_ms: number
}

// Milliseconds since the request was accepted; null where that point was not reached.
export interface Attempt {
  model_id: string
  api_base?: string
  status: number
  error: string | null
  started_ms: number | null
  connected_ms: number | null
  first_byte_ms: number | null
  ended_ms: number | null
  reused: boolean
}

export interface KeepWarm {
  idle_s: number
  return_odds: number
  expected_price: number
  expected_gain: number
  tokens: number
  ttl_s: number
}

export interface Decision {
  keep_warm?: KeepWarm
  group?: string
  blocks?: number
  breakpoints?: number
  estimated_tokens?: number
  waited_ms?: number
  divergence?: Divergence
  candidates?: Candidate[]
}

/** The first block that differs from the session's previous request. */
export interface Divergence {
  index: number
  tier: string
  kind: string
  shared_blocks: number
  shared_tokens: number
  previous_blocks: number
}

export interface RowDetail extends Row {
  decision?: Decision | null
  attempts?: Attempt[] | null
  dropped?: string[] | null
  headers?: Record<string, string> | null
  request_body?: unknown
  response_body?: unknown
}

export interface LogPage {
  data: Row[]
  total: number
  page: number
  page_size: number
  total_pages: number
  total_is_capped: boolean
  searched_to_ms?: number // a search that was stopped: what starts from here on was looked at
}

export interface FacetValue {
  value: string
  count: number
}

export type FacetName = 'model_id' | 'model' | 'status' | 'error_code'

export interface Totals {
  requests: number
  failures: number
  spend: number
  saved: number
  prompt_tokens: number
  completion_tokens: number
  input_tokens: number
  cache_read_input_tokens: number
  cache_creation_input_tokens: number
  cache_hit_ratio: number
  predicted_cache_read_tokens?: number
  keep_warm_renewals?: number
  keep_warm_spend?: number
  keep_warm_saved?: number
  ttft_p50_ms: number
  ttft_p95_ms: number
}

export interface Bucket {
  t: number
  success: number
  failure: number
}

export interface Summary {
  totals: Totals
  histogram: Bucket[]
  bucket_ms?: number // width of a bucket
  searched_to_ms?: number // as a page has it: the summary is of what was looked at
  since_ms?: number // the histogram begins here instead of where the filter does
  facets: Partial<Record<FacetName, FacetValue[]>>
}

/** Of the last minute; what the configuration sets, or what the provider last said of its own. */
export interface Limit {
  kind: string
  source: 'configured' | 'provider'
  limit: number
  used: number
}

export interface Deployment {
  model_id: string
  model_group: string
  model: string
  provider: string
  api_base?: string
  aws_profile_name?: string
  region: string
  healthy: boolean
  cooling_ms: number
  cooling_reason: string
  in_flight: number
  requests: number
  failures: number
  latency_ms: number
  cache_entries: number
  predicted_read: number
  actual_read: number
  actual_write: number
  actual_uncached: number
  hit_odds?: number // how often a believed entry was there
  cache_domain?: string // equal where deployments share a cache
  cache_anomalies?: string[]
  limits?: Limit[]
  credentials: string
}

export interface Session {
  authenticated: boolean
  identity_required: boolean
  version?: string
  ledger?: { enabled?: boolean; degraded: boolean; last_error: string; dropped?: number }
}

// USD per token.
export interface Prices {
  input_cost_per_token: number
  output_cost_per_token: number
  cache_read_input_token_cost: number
  cache_creation_input_token_cost: number
  cache_creation_input_token_cost_above_1hr: number
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

let onSignedOut: () => void = () => undefined
export function whenSignedOut(fn: () => void): void {
  onSignedOut = fn
}

function messageOf(status: number, body: string): string {
  try {
    const parsed = JSON.parse(body) as { error?: { message?: string } }
    if (parsed.error?.message) return parsed.error.message
  } catch {
    // not JSON: a proxy's page, perhaps
  }
  return status === 429 ? 'Too many tries. Wait a minute.' : `The gateway answered ${status}.`
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, 'The gateway cannot be reached.')
  }
  if (response.ok) return response
  if (response.status === 401 && path !== '/ui/api/session') onSignedOut()
  throw new ApiError(response.status, messageOf(response.status, await response.text()))
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await call(path, signal ? { signal } : {})
  return (await response.json()) as T
}

export const api = {
  session: () => get<Session>('/ui/api/session'),
  signIn: (key: string) =>
    call('/ui/api/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key }),
    }),
  signOut: () => call('/ui/api/session', { method: 'DELETE' }),
  logs: (query: URLSearchParams, signal?: AbortSignal) => get<LogPage>(`/spend/logs/ui?${query}`, signal),
  log: (id: string, signal?: AbortSignal) =>
    get<RowDetail>(`/spend/logs/ui/${encodeURIComponent(id)}`, signal),
  summary: (query: URLSearchParams, signal?: AbortSignal) => get<Summary>(`/ui/api/summary?${query}`, signal),
  deployments: async () => (await get<{ data: Deployment[] }>('/ui/api/deployments')).data,
  // What the deployment's tokens cost now; null where the gateway does not know.
  prices: async (modelId: string): Promise<Prices | null> => {
    const query = new URLSearchParams({ litellm_model_id: modelId })
    const answer = await get<{ data: { model_info?: Partial<Prices> & { id?: string } }[] }>(`/model/info?${query}`)
    const info = answer.data.find((entry) => entry.model_info?.id === modelId)?.model_info
    return info?.input_cost_per_token ? (info as Prices) : null
  },
  live: () => new EventSource('/ui/api/live'),
}
