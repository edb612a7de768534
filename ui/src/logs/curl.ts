// A request as a command that sends it again. The key is a variable: it is in no log.
import { api, type Row } from '../api'
import { copyText } from '../parts/copy'
import { decode } from '../parts/json'
import { say } from '../parts/toast'
import { modelOf } from '../usage'
import { activeId, openId } from './state'

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

// Prompts are stored only on demand; without one, a question that fits every model.
function bodyOf(row: Row, stored: unknown): unknown {
  const body = decode(stored)
  if (body !== null && typeof body === 'object') return body
  const messages = [{ role: 'user', content: 'Hello' }]
  if (row.call_type === 'count_tokens') return { model: modelOf(row), messages }
  return { model: modelOf(row), max_tokens: 1024, ...(row.stream ? { stream: true } : {}), messages }
}

export function asCurl(row: Row, stored: unknown, origin: string): string {
  const path = row.call_type === 'count_tokens' ? '/v1/messages/count_tokens' : '/v1/messages'
  const lines = [
    `curl ${row.stream ? '-N ' : ''}${origin}${path}`,
    '-H "x-api-key: $WARMPATH_KEY"',
    `-H 'content-type: application/json'`,
    `-H 'anthropic-version: 2023-06-01'`,
  ]
  if (row.session_id) lines.push(`-H ${quote(`x-claude-code-session-id: ${row.session_id}`)}`)
  lines.push(`-d ${quote(JSON.stringify(bodyOf(row, stored)))}`)
  return lines.join(' \\\n  ')
}

// The open request, or the one that the keys have reached.
export async function copyActive(): Promise<void> {
  const id = openId.peek() || activeId.peek()
  if (id === '') return say('No request is chosen: j and k move, c copies')
  try {
    const row = await api.log(id)
    const done = await copyText(asCurl(row, row.request_body, window.location.origin))
    say(done ? 'Copied as curl' : 'The browser did not allow copying')
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
  }
}
