/** The few words that the launcher needs before the chat is loaded. */
export interface LauncherTexts {
  ask: string;
  close: string;
  loading: string;
  failed: string;
  unread: (count: number) => string;
}

export const LAUNCHER_TEXTS: Record<string, LauncherTexts> = {
  en: {
    ask: 'Ask {title}',
    close: 'Close the chat',
    loading: 'Opening the chat …',
    failed: 'The chat could not be loaded. Please check your connection and try again.',
    unread: (count) => (count === 1 ? '1 new message' : `${count} new messages`),
  },
  es: {
    ask: 'Preguntar a {title}',
    close: 'Cerrar el chat',
    loading: 'Abriendo el chat …',
    failed: 'No se pudo cargar el chat. Compruebe su conexión e inténtelo de nuevo.',
    unread: (count) => (count === 1 ? '1 mensaje nuevo' : `${count} mensajes nuevos`),
  },
  fr: {
    ask: 'Demander à {title}',
    close: 'Fermer la discussion',
    loading: 'Ouverture de la discussion …',
    failed: 'La discussion n’a pas pu être chargée. Vérifiez votre connexion et réessayez.',
    unread: (count) => (count === 1 ? '1 nouveau message' : `${count} nouveaux messages`),
  },
  de: {
    ask: '{title} fragen',
    close: 'Chat schließen',
    loading: 'Der Chat wird geöffnet …',
    failed: 'Der Chat konnte nicht geladen werden. Bitte prüfen Sie die Verbindung und versuchen Sie es noch einmal.',
    unread: (count) => (count === 1 ? '1 neue Nachricht' : `${count} neue Nachrichten`),
  },
  ar: {
    ask: 'اسأل {title}',
    close: 'إغلاق المحادثة',
    loading: 'يجري فتح المحادثة …',
    failed: 'تعذّر تحميل المحادثة. يرجى التحقق من الاتصال ثم المحاولة مرة أخرى.',
    unread: (count) => `رسائل جديدة: ${count}`,
  },
};
