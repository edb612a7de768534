// A row's tokens by price class. Pure.
import type { Prices, Row } from './api'

export type TokenClass = 'uncached' | 'write5m' | 'write1h' | 'read' | 'output'

export interface TokenPart {
  kind: TokenClass
  label: string
  tokens: number
}

export function promptParts(row: Row): TokenPart[] {
  const read = row.cache_read_input_tokens || 0
  const written = row.cache_creation_input_tokens || 0
  const write1h = Math.min(row.cache_creation_1h_input_tokens || 0, written)
  return [
    { kind: 'read', label: 'Cache read', tokens: read },
    // A provider that does not split its writes writes for 5 minutes.
    { kind: 'write5m', label: 'Written, 5 m', tokens: written - write1h },
    { kind: 'write1h', label: 'Written, 1 h', tokens: write1h },
    { kind: 'uncached', label: 'Uncached', tokens: Math.max(0, (row.prompt_tokens || 0) - read - written) },
  ]
}

export function allParts(row: Row): TokenPart[] {
  return [...promptParts(row), { kind: 'output', label: 'Output', tokens: row.completion_tokens || 0 }]
}

export function priceOf(prices: Prices, kind: TokenClass): number {
  switch (kind) {
    case 'read':
      return prices.cache_read_input_token_cost
    case 'write5m':
      return prices.cache_creation_input_token_cost
    case 'write1h':
      return prices.cache_creation_input_token_cost_above_1hr
    case 'uncached':
      return prices.input_cost_per_token
    case 'output':
      return prices.output_cost_per_token
  }
}

export function failed(row: Row): boolean {
  return row.status !== 'success'
}

// What the client asked for; the group that it was resolved to where that is known.
export function modelOf(row: Row): string {
  return row.model_group || row.requested_model || row.model
}

// NO_DEPLOYMENT → no deployment
export function errorWords(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ')
}

export function errorName(row: Row): string {
  return errorWords(row.error_code || 'failed')
}

// "rate limited: Too many requests", without saying the same twice.
export function errorText(row: Row): string {
  const name = errorName(row)
  const text = row.error_message
  if (!text) return name
  return text.toLowerCase().startsWith(name) ? text : `${name}: ${text}`
}
