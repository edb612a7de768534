// The frame around the pages.
import { useEffect, useRef, useState } from 'preact/hooks'
import { KEYS } from './logs/keys'
import { shortcuts } from './logs/state'
import { Icon, Logo } from './parts/icons'
import { LogsPage } from './pages/logs'
import { ModelsPage } from './pages/models'
import { SignIn } from './pages/signin'
import { Toast } from './parts/toast'
import { follow, hrefOf, place, takeKey } from './router'
import { begin, loadDeployments, loadSession, session, signOut, unreachable } from './session'
import { nextTheme, theme } from './theme'

const SESSION_EVERY_MS = 30_000
const PAGES = [
  ['', 'Request logs'],
  ['models', 'Models'],
] as const

const TITLES: Record<string, string> = Object.fromEntries(PAGES)

function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} class="dialog" onClose={onClose} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input type="checkbox" checked={shortcuts.value} onChange={() => (shortcuts.value = !shortcuts.value)} />
        Single-character keys
      </label>
      <div class="dialog-buttons">
        <span class="muted">Warmpath {session.value?.version}</span>
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}

const THEME_ICON = { system: 'system', light: 'sun', dark: 'moon' } as const

function Header() {
  const [help, setHelp] = useState(false)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.key !== '?' || !shortcuts.peek() || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return
      setHelp(true)
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
  return (
    <header class="top">
      <a class="brand" aria-label="Warmpath" href={hrefOf('')} onClick={follow}>
        <Logo /> <span>Warmpath</span>
      </a>
      <nav aria-label="Pages">
        {PAGES.map(([page, label]) => (
          <a key={page} href={hrefOf(page)} onClick={follow} {...(place.value.page === page ? { 'aria-current': 'page' as const } : {})}>
            {label}
          </a>
        ))}
      </nav>
      <span class="spacer" />
      <button type="button" class="icon-button keys-button" aria-label="Keys" title="Keys (?)" onClick={() => setHelp(true)}>
        <Icon name="keyboard" />
      </button>
      <button type="button" class="icon-button" aria-label={`Theme: ${theme.value}`} title={`Theme: ${theme.value}`} onClick={nextTheme}>
        <Icon name={THEME_ICON[theme.value]} />
      </button>
      {session.value?.identity_required && (
        <button type="button" class="icon-button" aria-label="Sign out" title="Sign out" onClick={() => void signOut()}>
          <Icon name="exit" />
        </button>
      )}
      {help && <Help onClose={() => setHelp(false)} />}
    </header>
  )
}

function ledgerProblem(): string {
  const ledger = session.value?.ledger
  if (!ledger) return ''
  if (ledger.enabled === false) return 'Request logs are switched off in the configuration (disable_spend_logs).'
  if (ledger.degraded)
    return `The ledger cannot be written: ${ledger.last_error || 'unknown reason'}. Requests are served; their rows wait in memory.`
  return ''
}

function Banner() {
  const text = unreachable.value || ledgerProblem()
  return text ? (
    <p class="banner" role="alert">
      <Icon name="warning" />
      {text}
    </p>
  ) : null
}

function SignedIn() {
  useEffect(() => {
    // Chips are labelled once the deployments are known; without them they show the id alone.
    loadDeployments().catch(() => undefined)
    const timer = window.setInterval(() => {
      if (document.visibilityState === 'visible') void loadSession()
    }, SESSION_EVERY_MS)
    return () => window.clearInterval(timer)
  }, [])
  const { page } = place.value
  return (
    <>
      <Header />
      <Banner />
      {page === '' ? <LogsPage /> : page === 'models' ? <ModelsPage /> : <NotFound />}
      <Toast />
    </>
  )
}

function NotFound() {
  return (
    <main class="empty">
      <h1>There is no such page</h1>
      <p class="muted">
        Nothing is at <code>{window.location.pathname}</code>.
      </p>
      <a class="button primary" href={hrefOf('')} onClick={follow}>
        Request logs
      </a>
    </main>
  )
}

export function App() {
  useEffect(() => void begin(takeKey()), [])
  const { page } = place.value
  const signedIn = session.value?.authenticated ?? false
  useEffect(() => {
    document.title = `${signedIn ? (TITLES[page] ?? 'No such page') : 'Sign in'} · Warmpath`
  }, [page, signedIn])
  if (session.value === null)
    return unreachable.value ? (
      <main class="empty">
        <h1>{unreachable.value}</h1>
        <p class="muted">
          Is the gateway at <code>{window.location.origin}</code> running?
        </p>
        <button type="button" class="button" onClick={() => void loadSession()}>
          Try again
        </button>
      </main>
    ) : null
  return signedIn ? <SignedIn /> : <SignIn />
}
