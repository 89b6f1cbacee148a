/**
 * Loads deep-chat without its Markdown.
 *
 * deep-chat renders what is typed as Markdown and lets every link through. Nothing that we
 * show goes through it (thread.ts), and this makes sure that nothing ever can: its
 * renderer only escapes.
 */
import 'deep-chat/dist/deepChat.bundle.js';

interface Renderer {
  render: (text: string) => string;
}
interface WithPlugins {
  remarkable_plugins?: {plugin: (renderer: Renderer) => void}[];
}

const ENTITIES: Record<string, string> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => ENTITIES[one]);

/** From now until the returned function is called, a new deep-chat gets a renderer that only escapes. */
export function withoutMarkdown(): () => void {
  const host = window as unknown as WithPlugins;
  const before = host.remarkable_plugins;
  host.remarkable_plugins = [
    {
      plugin: (renderer) => {
        renderer.render = escaped;
      },
    },
  ];
  return () => {
    if (before) host.remarkable_plugins = before;
    else delete host.remarkable_plugins;
  };
}
