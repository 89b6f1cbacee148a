/** The few words that the launcher needs before the chat is loaded. */
const WORDS = {
  en: [
    'Ask {title}',
    'The chat does not load. A result or a symptom? Call your doctor or clinic. In an emergency, call:',
    'your local emergency number',
    'New messages: {count}',
  ],
  es: [
    'Preguntar a {title}',
    'El chat no se carga. ¿Un resultado o un síntoma? Llame a su médico o clínica. En una emergencia, llame a:',
    'número de emergencias de su zona',
    'Mensajes nuevos: {count}',
  ],
  fr: [
    'Demander à {title}',
    'La discussion ne se charge pas. Un résultat ou un symptôme ? Appelez votre médecin ou clinique. En cas d’urgence, appelez :',
    'le numéro d’urgence local',
    'Nouveaux messages : {count}',
  ],
  de: [
    '{title} fragen',
    'Der Chat lädt nicht. Ein Befund oder ein Symptom? Rufen Sie Ihre Praxis oder Klinik an. Im Notfall:',
    'die örtliche Notrufnummer',
    'Neue Nachrichten: {count}',
  ],
  ar: [
    'اسأل {title}',
    'تعذّر تحميل المحادثة. نتيجة فحص أو عرَض؟ اتصل بطبيبك أو عيادتك. في حالة الطوارئ اتصل بـ:',
    'رقم الطوارئ المحلي',
    'رسائل جديدة: {count}',
  ],
} as const;

/** The launcher's words in a language. */
export function launcherTexts(lang: string): Record<'ask' | 'failed' | 'number' | 'unread', string> {
  const [ask, failed, number, unread] = WORDS[lang as keyof typeof WORDS];
  return {ask, failed, number, unread};
}
