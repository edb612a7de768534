// One request in full.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { api, ApiError, type Row, type RowDetail } from '../api'
import { client, count, duration, full, money, shortModel, toMs, wholeMs } from '../format'
import { ModelId, StatusBadge } from '../parts/chip'
import { CopyButton } from '../parts/copy'
import { Icon } from '../parts/icons'
import { JsonView } from '../parts/json'
import { errorName, failed, modelOf } from '../usage'
import { Compare } from './compare'
import { Cost } from './cost'
import { copyActive } from './curl'
import { open, openId, rowOf, rows, setField } from './state'
import { focusTable, moveActive } from './table'
import { Prediction, TokenBreakdown } from './tokens'
import { Waterfall } from './waterfall'
import { Why } from './why'

interface Loaded {
  id: string
  detail: RowDetail | null
  error: string
}

// The list's row is shown at once; what only the ledger knows follows.
function useDetail(id: string): Loaded {
  const [loaded, setLoaded] = useState<Loaded>({ id: '', detail: null, error: '' })
  useEffect(() => {
    const abort = new AbortController()
    api
      .log(id, abort.signal)
      .then((detail) => setLoaded({ id, detail, error: '' }))
      .catch((error: unknown) => {
        if (!abort.signal.aborted)
          setLoaded({ id, detail: null, error: error instanceof ApiError ? error.message : String(error) })
      })
    return () => abort.abort()
  }, [id])
  return loaded.id === id ? loaded : { id, detail: null, error: '' }
}

function Block({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="block" aria-label={title}>
      <header class="block-head">
        <h3>{title}</h3>
      </header>
      {children}
    </section>
  )
}

function Fact({ label, children, title }: { label: string; children: ComponentChildren; title?: string }) {
  return (
    <div title={title}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Facts({ row }: { row: Row }) {
  return (
    <dl class="facts">
      <Fact label="Cost">{money(row.spend)}</Fact>
      <Fact label="Saved" title="Against the same request without a cache">
        <span class={row.saved > 0 ? 'warm' : ''}>{money(row.saved)}</span>
      </Fact>
      <Fact label="First token">{row.ttft_ms > 0 ? duration(row.ttft_ms) : '–'}</Fact>
      <Fact label="Duration">{wholeMs(row.request_duration_ms)}</Fact>
      <Fact label="Overhead" title="Time that the gateway itself took">
        {duration(row.overhead_us / 1000)}
      </Fact>
      <Fact label="Retries">
        {count(row.attempted_retries)}
        {row.attempted_fallbacks > 0 && ` + ${count(row.attempted_fallbacks)} fallback`}
      </Fact>
    </dl>
  )
}

function Copyable({ text, what }: { text: string; what: string }) {
  if (!text) return <span class="faint">–</span>
  return (
    <span class="copyable">
      <code>{text}</code>
      <CopyButton text={text} what={what} />
    </span>
  )
}

function About({ row, dropped }: { row: Row; dropped: string[] }) {
  return (
    <Block title="Request">
      <dl class="about">
        <Fact label="Request ID">
          <Copyable text={row.request_id} what="request ID" />
        </Fact>
        <Fact label="Model ID">
          <span class="copyable">
            <ModelId id={row.model_id} copy={false} label />
            {row.model_id && <CopyButton text={row.model_id} what="model ID" />}
          </span>
        </Fact>
        <Fact label="Session">
          <Copyable text={row.session_id} what="session ID" />
          {row.session_id && (
            <button type="button" class="linkish" onClick={() => setField('session_id', row.session_id)}>
              Show this session
            </button>
          )}
        </Fact>
        <Fact label="Asked for">{row.requested_model || row.model_group || '–'}</Fact>
        <Fact label="Sent as">{row.model || '–'}</Fact>
        <Fact label="Upstream">
          {[row.custom_llm_provider, row.api_base].filter(Boolean).join(' · ') || '–'}
        </Fact>
        <Fact label="Client">
          <span title={row.user_agent}>{client(row.user_agent)}</span>
          {row.requester_ip_address && ` from ${row.requester_ip_address}`}
        </Fact>
        <Fact label="Call">
          {row.call_type}
          {row.stream ? ', streamed' : ''}
        </Fact>
        <Fact label="Began">{full(toMs(row.startTime))}</Fact>
        {dropped.length > 0 && (
          <Fact label="Dropped" title="Not understood by this provider; taken out of the request">
            <ul class="tags">
              {dropped.map((name) => (
                <li key={name}>
                  <code>{name}</code>
                </li>
              ))}
            </ul>
          </Fact>
        )}
      </dl>
    </Block>
  )
}

function present(value: unknown): boolean {
  if (value == null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

function Bodies({ detail }: { detail: RowDetail }) {
  const stored = present(detail.request_body) || present(detail.response_body)
  return (
    <>
      {present(detail.headers) && <JsonView title="Request headers" value={detail.headers} />}
      {present(detail.metadata) && <JsonView title="Metadata" value={detail.metadata} />}
      {present(detail.request_body) && <JsonView title="Request body" value={detail.request_body} />}
      {present(detail.response_body) && <JsonView title="Response body" value={detail.response_body} />}
      {!stored && (
        <p class="muted note">
          Prompts and answers are not stored. <code>general_settings.store_prompts_in_spend_logs: true</code> changes that.
        </p>
      )}
    </>
  )
}

function Content({ row, loaded }: { row: Row; loaded: Loaded }) {
  const { detail, error } = loaded
  return (
    <>
      {failed(row) && (
        <div class="alert" role="note">
          <Icon name="warning" />
          <div>
            <b>{errorName(row)}</b>
            <p>{row.error_message || 'No message was given.'}</p>
          </div>
        </div>
      )}
      <Facts row={row} />
      <Block title="Tokens">
        <TokenBreakdown row={row} />
        {row.call_type !== 'count_tokens' && !failed(row) && <Prediction row={row} />}
      </Block>
      {error && <p class="alert">{error}</p>}
      {detail && !failed(row) && row.session_id !== '' && row.call_type !== 'count_tokens' && row.call_type !== 'keep_warm' && (
        <Block title="Since the session’s previous request">
          <Compare row={detail} />
        </Block>
      )}
      {detail?.attempts && (
        <Block title="Attempts">
          <Waterfall row={row} attempts={detail.attempts} />
        </Block>
      )}
      {detail?.decision && (
        <Block title={failed(row) ? 'Who could have answered' : 'Why this deployment'}>
          <Why row={detail} decision={detail.decision} />
        </Block>
      )}
      <Block title="Cost">
        <Cost row={row} />
      </Block>
      <About row={row} dropped={detail?.dropped ?? []} />
      {detail && <Bodies detail={detail} />}
    </>
  )
}

export function closeDrawer(): void {
  open('')
  focusTable()
}

export function Drawer({ id }: { id: string }) {
  const heading = useRef<HTMLHeadingElement>(null)
  const body = useRef<HTMLDivElement>(null)
  void rows.version.value
  const loaded = useDetail(id)
  const row = loaded.detail ?? rowOf(id)
  const index = rows.indexOf(id)

  useEffect(() => heading.current?.focus({ preventScroll: true }), [])
  useEffect(() => {
    if (body.current) body.current.scrollTop = 0
  }, [id])

  return (
    <aside class="drawer" role="dialog" aria-modal="false" aria-labelledby="drawer-title">
      <header class="drawer-head">
        {row && <StatusBadge failed={failed(row)} code={row.http_status} />}
        <h2 id="drawer-title" tabIndex={-1} ref={heading}>
          {row ? shortModel(modelOf(row)) || 'Request' : 'Request'}
        </h2>
        {row && <ModelId id={row.model_id} copy={false} />}
        <span class="spacer" />
        <button type="button" class="button small" title="Copy as curl (c)" onClick={() => void copyActive()}>
          curl
        </button>
        <button type="button" class="icon-button" aria-label="Previous request" title="Previous (k)" disabled={index <= 0} onClick={() => moveActive(-1)}>
          <Icon name="up" />
        </button>
        <button type="button" class="icon-button" aria-label="Next request" title="Next (j)" disabled={index < 0 || index >= rows.length - 1} onClick={() => moveActive(1)}>
          <Icon name="down" />
        </button>
        <button type="button" class="icon-button" aria-label="Close" title="Close (Esc)" onClick={closeDrawer}>
          <Icon name="close" />
        </button>
      </header>
      <div class="drawer-body" ref={body} tabIndex={0} role="region" aria-label="Details">
        {row ? (
          <Content row={row} loaded={loaded} />
        ) : (
          <p class="muted">{loaded.error || 'Loading…'}</p>
        )}
      </div>
    </aside>
  )
}

export function OpenDrawer() {
  return openId.value === '' ? null : <Drawer id={openId.value} />
}
