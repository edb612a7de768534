import './theme'
import './styles/base.css'
import './styles/controls.css'
import './styles/logs.css'
import './styles/drawer.css'
import './styles/pages.css'
import { render } from 'preact'
import { App } from './app'

const root = document.getElementById('app')
if (root) render(<App />, root)
