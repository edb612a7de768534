import { deploymentLabel, hueOf } from '../session'
import { shortId } from '../format'
import { CopyButton } from './copy'

// A deployment: equal ids have equal colours wherever they appear.
export function ModelId({ id, copy = true, label = false, tab = false }: { id: string; copy?: boolean; label?: boolean | 'short'; tab?: boolean }) {
  if (!id) return <span class="faint">–</span>
  const text = deploymentLabel(id)
  return (
    <span class="chip" style={{ '--hue': String(hueOf(id)) }} title={text ? `${text}\n${id}` : id}>
      <i class="dot" aria-hidden="true" />
      <code>{shortId(id)}</code>
      {label && text && <span class="chip-label">{label === 'short' ? text.split(' · ')[0] : text}</span>}
      {copy && <CopyButton text={id} what="model ID" tab={tab} />}
    </span>
  )
}

export function StatusBadge({ failed, code, text }: { failed: boolean; code: number; text?: string }) {
  const shown = code > 0 ? String(code) : failed ? 'gone' : 'ok'
  return (
    <span class="badge" data-kind={failed ? 'bad' : 'good'} title={text}>
      <i class="dot" aria-hidden="true" />
      {shown}
      <span class="sr"> {failed ? 'failure' : 'success'}</span>
    </span>
  )
}
