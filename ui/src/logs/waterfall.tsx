// One line per upstream attempt, on the request's own clock.
import type { Attempt, Row } from '../api'
import { duration } from '../format'
import { ModelId } from '../parts/chip'
import { errorWords } from '../usage'

interface Phase {
  kind: 'wait' | 'connect' | 'ttfb' | 'stream'
  label: string
  from: number
  to: number
}

// Points that were not reached end their phase where the attempt ended.
export function phasesOf(attempt: Attempt, before: number, end: number): Phase[] {
  const started = attempt.started_ms ?? before
  const ended = attempt.ended_ms ?? end
  const connected = Math.min(attempt.connected_ms ?? (attempt.reused ? started : ended), ended)
  const first = Math.min(attempt.first_byte_ms ?? ended, ended)
  const phases: Phase[] = [
    { kind: 'wait', label: 'Gateway', from: before, to: started },
    { kind: 'connect', label: attempt.reused ? 'Connection reused' : 'Connect', from: started, to: connected },
    { kind: 'ttfb', label: 'Waiting for the first byte', from: connected, to: first },
    { kind: 'stream', label: 'Receiving', from: first, to: ended },
  ]
  return phases.filter((phase) => phase.to - phase.from > 0)
}

function endOf(row: Row, attempts: Attempt[]): number {
  return Math.max(1, row.request_duration_ms, ...attempts.map((attempt) => attempt.ended_ms ?? 0))
}

export function Waterfall({ row, attempts }: { row: Row; attempts: Attempt[] }) {
  if (attempts.length === 0) return <p class="muted">No upstream was called.</p>
  const end = endOf(row, attempts)
  let before = 0
  const lines = attempts.map((attempt) => {
    const phases = phasesOf(attempt, before, end)
    before = attempt.ended_ms ?? end
    return { attempt, phases }
  })
  return (
    <div class="waterfall">
      <ol>
        {lines.map(({ attempt, phases }, index) => (
          <li key={index}>
            <div class="waterfall-head">
              <span class="muted">{index + 1}</span>
              <ModelId id={attempt.model_id} copy={false} label />
              <span class="badge" data-kind={attempt.error ? 'bad' : 'good'}>
                <i class="dot" aria-hidden="true" />
                {attempt.status > 0 ? attempt.status : attempt.error ? '' : 'ok'} {attempt.error ? errorWords(attempt.error) : ''}
              </span>
              <span class="waterfall-time">{duration((attempt.ended_ms ?? end) - (attempt.started_ms ?? 0))}</span>
            </div>
            <div class="waterfall-track" aria-hidden="true">
              {phases.map((phase) => (
                <i
                  key={phase.kind}
                  data-kind={phase.kind}
                  title={`${phase.label}: ${duration(phase.to - phase.from)}`}
                  style={{ left: `${(100 * phase.from) / end}%`, width: `${(100 * (phase.to - phase.from)) / end}%` }}
                />
              ))}
            </div>
            <ul class="legend inline">
              {phases.map((phase) => (
                <li key={phase.kind}>
                  <i class="swatch" data-kind={phase.kind} aria-hidden="true" />
                  <span>{phase.label}</span>
                  <b>{duration(phase.to - phase.from)}</b>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
      <div class="waterfall-axis" aria-hidden="true">
        <span>0</span>
        <span>{duration(end / 2)}</span>
        <span>{duration(end)}</span>
      </div>
    </div>
  )
}
