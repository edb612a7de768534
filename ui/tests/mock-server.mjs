// A gateway that exists only for the console's tests and its development: the built console with
// the real content security policy, and the API over made-up rows. With --vite the sources are
// served instead of the build.
//   node tests/mock-server.mjs [--vite] [--port 4100] [--rows 100000] [--open] [--empty]
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEPLOYMENTS, detailOf, makeRows, PRICES, Traffic } from './data.mjs'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
export const KEY = 'sk-test-1234'
export const CSP =
  "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
  "object-src 'none'; img-src 'self' data:"
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }
const SORTED = ['startTime', 'spend', 'request_duration_ms', 'ttft_ms', 'model', 'total_tokens', 'cache_read_input_tokens']
const CAP = 10_000

function filtered(rows, query) {
  const start = query.get('start_date') ? Date.parse(query.get('start_date')) : -Infinity
  const end = query.get('end_date') ? Date.parse(query.get('end_date')) : Infinity
  const needle = (query.get('search') ?? '').toLowerCase()
  const equal = [['model_id', 'model_id'], ['model', 'model'], ['status_filter', 'status'], ['session_id', 'session_id'], ['request_id', 'request_id'], ['error_code', 'error_code']]
    .map(([name, field]) => [field, query.get(name)])
    .filter(([, value]) => value)
  return rows.filter((row) => {
    const at = Date.parse(row.startTime)
    if (at < start || at >= end || equal.some(([field, value]) => row[field] !== value)) return false
    return needle === '' || [row.request_id, row.session_id, row.model, row.model_id, row.error_message].some((text) => text.toLowerCase().includes(needle))
  })
}

// As a ledger with more rows than a search has time for: it looks through the newest `most`.
function lookedAt(rows, query, most) {
  if (!query.get('search') || most === null) return {}
  const unsearched = new URLSearchParams(query)
  unsearched.delete('search')
  const all = filtered(rows, unsearched)
  return all.length > most ? { searched_to_ms: Date.parse(all[most - 1].startTime) } : {}
}

function list(rows, query, most) {
  const stopped = lookedAt(rows, query, most)
  if (stopped.searched_to_ms) {
    const part = new URLSearchParams(query)
    part.set('start_date', new Date(stopped.searched_to_ms).toISOString())
    return { ...list(rows, part, null), total_is_capped: true, ...stopped }
  }
  const page = Number(query.get('page') ?? 1)
  const size = Number(query.get('page_size') ?? 50)
  const all = filtered(rows, query)
  const sort = SORTED.includes(query.get('sort_by')) ? query.get('sort_by') : 'startTime'
  const sign = query.get('sort_order') === 'asc' ? 1 : -1
  if (sort !== 'startTime' || sign === 1) all.sort((a, b) => sign * (a[sort] < b[sort] ? -1 : a[sort] > b[sort] ? 1 : 0))
  const total = Math.min(all.length, CAP)
  return { data: all.slice((page - 1) * size, page * size), total, page, page_size: size, total_pages: Math.ceil(total / size), total_is_capped: all.length > CAP }
}

const sum = (rows, field) => rows.reduce((total, row) => total + row[field], 0)
const rank = (values, share) => (values.length === 0 ? 0 : values[Math.min(values.length - 1, Math.floor(values.length * share))])

function facet(rows, field) {
  const counts = new Map()
  for (const row of rows) counts.set(row[field], (counts.get(row[field]) ?? 0) + 1)
  return [...counts].filter(([value]) => value !== '').map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, 50)
}

function histogram(rows, query) {
  if (rows.length === 0) return []
  const times = rows.map((row) => Date.parse(row.startTime))
  const first = query.get('start_date') ? Date.parse(query.get('start_date')) : times.reduce((a, b) => Math.min(a, b))
  const last = query.get('end_date') ? Date.parse(query.get('end_date')) : Date.now()
  const steps = [1e3, 5e3, 15e3, 6e4, 3e5, 9e5, 36e5, 4 * 36e5, 864e5]
  const step = steps.find((ms) => (last - first) / ms <= 100) ?? 7 * 864e5
  const buckets = new Map()
  rows.forEach((row, i) => {
    const t = Math.floor(times[i] / step) * step
    const bucket = buckets.get(t) ?? { t, success: 0, failure: 0 }
    bucket[row.status]++
    buckets.set(t, bucket)
  })
  return [...buckets.values()].sort((a, b) => a.t - b.t)
}

function summary(all, query) {
  const rows = filtered(all, query)
  const prompt = sum(rows, 'prompt_tokens')
  const read = sum(rows, 'cache_read_input_tokens')
  const write = sum(rows, 'cache_creation_input_tokens')
  const ttft = rows.map((row) => row.ttft_ms).filter((ms) => ms > 0).sort((a, b) => a - b)
  return {
    totals: {
      requests: rows.length,
      failures: rows.filter((row) => row.status !== 'success').length,
      spend: sum(rows, 'spend'),
      saved: sum(rows, 'saved'),
      prompt_tokens: prompt,
      completion_tokens: sum(rows, 'completion_tokens'),
      input_tokens: prompt - read - write,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: write,
      cache_hit_ratio: prompt > 0 ? read / prompt : 0,
      predicted_cache_read_tokens: sum(rows, 'predicted_cache_read_tokens'),
      keep_warm_renewals: rows.filter((row) => row.call_type === 'keep_warm').length,
      keep_warm_spend: sum(rows.filter((row) => row.call_type === 'keep_warm'), 'spend'),
      keep_warm_saved: rows.reduce((total, row) => total + (row.kept_warm_saved ?? 0), 0),
      ttft_p50_ms: rank(ttft, 0.5),
      ttft_p95_ms: rank(ttft, 0.95),
    },
    histogram: histogram(rows, query),
    facets: { model_id: facet(rows, 'model_id'), model: facet(rows, 'model'), status: facet(rows, 'status'), error_code: facet(rows, 'error_code') },
  }
}

function deployments(rows) {
  return DEPLOYMENTS.map((entry) => {
    const mine = rows.filter((row) => row.model_id === entry.model_id)
    const read = sum(mine, 'cache_read_input_tokens')
    const write = sum(mine, 'cache_creation_input_tokens')
    return { ...entry, limits: [{ kind: 'requests', source: 'configured', limit: 60, used: mine.length % 60 }, { kind: 'tokens', source: 'provider', limit: 400_000, used: 390_000 }], hit_odds: 0.97, requests: mine.length, failures: mine.filter((row) => row.status !== 'success').length, predicted_read: sum(mine, 'predicted_cache_read_tokens'), actual_read: read, actual_write: write, actual_uncached: sum(mine, 'prompt_tokens') - read - write }
  })
}

function asset(request, response, path) {
  let name = path.slice('/ui/'.length) || 'index.html'
  if (!existsSync(join(DIST, name)) && !name.includes('.')) name = 'index.html'
  const file = join(DIST, name)
  const headers = { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' }
  if (!file.startsWith(DIST) || !existsSync(file) || statSync(file).isDirectory()) return response.writeHead(404).end()
  const packed = existsSync(`${file}.br`) && /\bbr\b/.test(request.headers['accept-encoding'] ?? '')
  response.writeHead(200, packed ? { ...headers, 'content-encoding': 'br' } : headers).end(readFileSync(packed ? `${file}.br` : file))
}

export async function startMock({ port = 0, rows = 2000, now = Date.now(), identityRequired = true, middleware = null } = {}) {
  const state = { rows: typeof rows === 'number' ? makeRows(rows, now) : rows, requests: [], failedSignIns: 0, ledger: { enabled: true, degraded: false, last_error: '', dropped: 0 }, fail: null, bodies: false, delayMs: 0, searchMost: null }
  const watchers = new Set()
  const traffic = new Traffic(99)
  const send = (response, status, value) => response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(value))
  const refuse = (response, status, message) => send(response, status, { error: { type: 'error', message } })
  const signedIn = (request) => !identityRequired || /(^|; )warmpath_session=good/.test(request.headers.cookie ?? '')

  async function session(request, response) {
    if (request.method === 'DELETE') return response.writeHead(204, { 'set-cookie': 'warmpath_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict' }).end()
    if (request.method === 'GET') {
      const authenticated = signedIn(request)
      return send(response, 200, { authenticated, identity_required: identityRequired, ...(authenticated ? { version: '0.1.0', ledger: state.ledger } : {}) })
    }
    let body = ''
    for await (const chunk of request) body += chunk
    if (state.failedSignIns >= 20) return refuse(response, 429, 'Too many failed sign-ins; try again in a minute')
    if (JSON.parse(body).key !== KEY) {
      state.failedSignIns++
      return refuse(response, 401, 'That is not the master key')
    }
    response.writeHead(204, { 'set-cookie': 'warmpath_session=good; Path=/; HttpOnly; SameSite=Strict' }).end()
  }

  function live(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write('retry: 200\n\n')
    watchers.add(response)
    request.on('close', () => watchers.delete(response))
  }

  function log(response, id) {
    const row = state.rows.find((entry) => entry.request_id === id)
    if (!row) return refuse(response, 404, 'There is no such request')
    const detail = detailOf(row)
    if (state.bodies) {
      detail.request_body = JSON.stringify({ model: row.model_group, max_tokens: 32000, stream: true, system: [{ type: 'text', text: 'You are a coding agent.', cache_control: { type: 'ephemeral' } }], messages: [{ role: 'user', content: 'Add a test for the parser.' }] })
      detail.response_body = JSON.stringify({ type: 'message', content: [{ type: 'text', text: 'The parser test is in place. '.repeat(30) }] })
    }
    send(response, 200, detail)
  }

  async function route(request, response) {
    const url = new URL(request.url, 'http://mock')
    const path = url.pathname
    state.requests.push(`${request.method} ${path}${url.search}`)
    if (path === '/ui') return response.writeHead(301, { location: '/ui/' }).end()
    if (path === '/ui/api/session') return session(request, response)
    const api = path.startsWith('/ui/api/') || path.startsWith('/spend/') || path.startsWith('/model/')
    if (!api) return middleware ? middleware(request, response) : asset(request, response, path)
    if (!signedIn(request)) return refuse(response, 401, 'Invalid gateway key')
    if (state.fail) return refuse(response, state.fail, 'The ledger could not be read; see the log')
    if (state.delayMs) await new Promise((resolve) => setTimeout(resolve, state.delayMs))
    if (path === '/spend/logs/ui') return send(response, 200, list(state.rows, url.searchParams, state.searchMost))
    if (path.startsWith('/spend/logs/ui/')) return log(response, decodeURIComponent(path.slice('/spend/logs/ui/'.length)))
    if (path === '/ui/api/summary') return send(response, 200, summary(state.rows, url.searchParams))
    if (path === '/ui/api/export') {
      const lines = filtered(state.rows, url.searchParams).map((row) => (url.searchParams.get('format') === 'csv' ? row.request_id : JSON.stringify(row)))
      return response.writeHead(200, { 'content-type': 'text/plain', 'content-disposition': 'attachment' }).end(lines.join('\n'))
    }
    if (path === '/ui/api/live') return live(request, response)
    if (path === '/ui/api/deployments') return send(response, 200, { data: deployments(state.rows) })
    if (path === '/model/info') {
      const id = url.searchParams.get('litellm_model_id')
      return send(response, 200, { data: PRICES.has(id) ? [{ model_info: { id, ...PRICES.get(id) } }] : [] })
    }
    return refuse(response, 404, 'Not found')
  }

  const server = createServer((request, response) => {
    route(request, response).catch((error) => {
      console.error(error)
      response.destroy()
    })
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    state,
    url: `http://127.0.0.1:${server.address().port}`,
    watchers,
    // As the recorder does it: into the ledger, then to everybody who watches.
    emit(overrides = {}) {
      const row = { ...traffic.next(Date.now()), ...overrides }
      state.rows.unshift(row)
      for (const watcher of watchers) watcher.write(`event: rows\ndata: ${JSON.stringify([row])}\n\n`)
      return row
    },
    close() {
      for (const watcher of watchers) watcher.destroy()
      server.closeAllConnections?.()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function vite() {
  const { createServer: createVite } = await import('vite')
  const dev = await createVite({ root: fileURLToPath(new URL('..', import.meta.url)), server: { middlewareMode: true, proxy: {} } })
  return dev.middlewares
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const value = (name, fallback) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : fallback)
  const mock = await startMock({
    port: value('--port', 4100),
    rows: process.argv.includes('--empty') ? 0 : value('--rows', 100_000),
    identityRequired: !process.argv.includes('--open'),
    middleware: process.argv.includes('--vite') ? await vite() : null,
  })
  console.log(`${mock.url}/ui/  (master key: ${KEY})`)
  const tick = () => {
    mock.emit()
    setTimeout(tick, 300 + 2500 * Math.random())
  }
  if (!process.argv.includes('--empty')) tick()
}
