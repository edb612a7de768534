import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from './icons'

// The clipboard API needs a secure context; a gateway on a plain address of the network has none.
function copyByHand(text: string): boolean {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'offscreen'
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  return done
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyByHand(text)
  }
}

export function CopyButton({ text, what, label, tab = true }: { text: string; what: string; label?: string; tab?: boolean }) {
  const [done, setDone] = useState(false)
  const timer = useRef(0)
  useEffect(() => () => window.clearTimeout(timer.current), [])
  const copy = async (event: Event) => {
    event.stopPropagation()
    setDone(await copyText(text))
    window.clearTimeout(timer.current)
    timer.current = window.setTimeout(() => setDone(false), 1400)
  }
  const name = done ? `${what} copied` : `Copy ${what}`
  return (
    <button type="button" class={label ? 'button small' : 'copy'} data-done={done} aria-label={name} title={name} tabIndex={tab ? 0 : -1} onClick={copy}>
      <Icon name={done ? 'check' : 'copy'} />
      {label}
    </button>
  )
}
