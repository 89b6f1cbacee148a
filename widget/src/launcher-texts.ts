/** The few words that the launcher needs before the chat is loaded. */
const WORDS = {
  en: [
    'Ask {title}',
    'The chat could not be loaded. A result or a symptom? Call your doctor or clinic. In an emergency, call {number}.',
    'your local emergency number',
    'New messages: {count}',
  ],
  es: [
    'Preguntar a {title}',
    'No se pudo cargar el chat. ¿Un resultado o un síntoma? Llame a su médico o a su clínica. En una emergencia, llame al {number}.',
    'número de emergencias de su zona',
    'Mensajes nuevos: {count}',
  ],
  fr: [
    'Demander à {title}',
    'La discussion n’a pas pu être chargée. Un résultat ou un symptôme ? Appelez votre médecin ou votre clinique. En cas d’urgence, appelez {number}.',
    'le numéro d’urgence local',
    'Nouveaux messages : {count}',
  ],
  de: [
    '{title} fragen',
    'Der Chat konnte nicht geladen werden. Ein Befund oder ein Symptom? Rufen Sie Ihre Praxis oder Klinik an. Im Notfall rufen Sie {number} an.',
    'die örtliche Notrufnummer',
    'Neue Nachrichten: {count}',
  ],
  ar: [
    'اسأل {title}',
    'تعذّر تحميل المحادثة. نتيجة فحص أو عرَض؟ اتصل بطبيبك أو عيادتك. في حالة الطوارئ اتصل بـ {number}.',
    'رقم الطوارئ المحلي',
    'رسائل جديدة: {count}',
  ],
} as const;

/** The launcher's words in a language. */
export function launcherTexts(lang: string): Record<'ask' | 'failed' | 'number' | 'unread', string> {
  const [ask, failed, number, unread] = WORDS[lang as keyof typeof WORDS];
  return {ask, failed, number, unread};
}
