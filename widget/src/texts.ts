/** The words of the chat itself. What Calla answers comes from the server, in English. */
export interface Texts {
  send: string;
  placeholder: string;
  conversation: string;
  clear: string;
  clearQuestion: string;
  clearYes: string;
  clearNo: string;
  close: string;
  doctor: string;
  emergency: string;
  emergencyNumber: string;
  ready: string;
  connecting: string;
  offline: string;
  waiting: string;
  later: string;
  failed: string;
  again: string;
  typing: string;
  you: string;
  earlier: string;
  suggestions: string;
  copy: string;
  copied: string;
  up: string;
  down: string;
  thanks: string;
  sources: string;
  checked: string;
  newTab: string;
  notAllowed: string;
  erased: string;
  english: string;
  labels: Record<'supported' | 'limited' | 'not_supported' | 'general', string>;
  referrals: Record<'emergency' | 'crisis' | 'urgent' | 'planned' | 'prescriber', string>;
}

export const TEXTS: Record<string, Texts> = {
  en: {
    send: 'Send',
    placeholder: 'Type your question',
    conversation: 'Conversation',
    clear: 'Clear the conversation',
    clearQuestion: 'Erase this conversation? It is deleted here and on the server.',
    clearYes: 'Erase',
    clearNo: 'Keep it',
    close: 'Close the chat',
    doctor: 'I am a computer program, not a doctor.',
    emergency: 'In an emergency, call {number}.',
    emergencyNumber: 'your local emergency number',
    ready: 'Ready to help',
    connecting: 'Connecting …',
    offline: 'No connection. You can go on writing; nothing is lost.',
    waiting: 'Waiting for the connection. It will be sent by itself.',
    later: 'Not sent yet. It will be sent in a moment.',
    failed: 'This could not be sent.',
    again: 'Try again',
    typing: '{title} is writing',
    you: 'You',
    earlier: 'Earlier in this conversation',
    suggestions: 'Suggested questions',
    copy: 'Copy this answer',
    copied: 'Copied',
    up: 'This answer helped',
    down: 'This answer did not help',
    thanks: 'Thank you for telling us.',
    sources: 'Sources',
    checked: 'Checked on {date}',
    newTab: 'opens in a new tab',
    notAllowed: 'The chat cannot be used on this website.',
    erased: 'The conversation has been erased.',
    english: '',
    labels: {supported: 'Supported', limited: 'Limited evidence', not_supported: 'Not supported', general: 'General information'},
    referrals: {
      emergency: 'Get help now',
      crisis: 'Please talk to someone now',
      urgent: 'Please read this first',
      planned: 'Please read this first',
      prescriber: 'Ask before you take or change anything',
    },
  },
  es: {
    send: 'Enviar',
    placeholder: 'Escriba su pregunta (en inglés)',
    conversation: 'Conversación',
    clear: 'Borrar la conversación',
    clearQuestion: '¿Borrar esta conversación? Se elimina aquí y en el servidor.',
    clearYes: 'Borrar',
    clearNo: 'Conservar',
    close: 'Cerrar el chat',
    doctor: 'Soy un programa informático, no un médico.',
    emergency: 'En una emergencia, llame al {number}.',
    emergencyNumber: 'número de emergencias de su zona',
    ready: 'Listo para ayudar',
    connecting: 'Conectando …',
    offline: 'Sin conexión. Puede seguir escribiendo; no se pierde nada.',
    waiting: 'Esperando la conexión. Se enviará automáticamente.',
    later: 'Aún no se ha enviado. Se enviará en un momento.',
    failed: 'No se pudo enviar.',
    again: 'Intentar de nuevo',
    typing: '{title} está escribiendo',
    you: 'Usted',
    earlier: 'Antes en esta conversación',
    suggestions: 'Preguntas sugeridas',
    copy: 'Copiar esta respuesta',
    copied: 'Copiado',
    up: 'Esta respuesta me ayudó',
    down: 'Esta respuesta no me ayudó',
    thanks: 'Gracias por decírnoslo.',
    sources: 'Fuentes',
    checked: 'Revisado el {date}',
    newTab: 'se abre en una pestaña nueva',
    notAllowed: 'El chat no puede usarse en este sitio web.',
    erased: 'La conversación se ha borrado.',
    english: 'Calla responde en inglés.',
    labels: {supported: 'Respaldado', limited: 'Evidencia limitada', not_supported: 'Sin respaldo', general: 'Información general'},
    referrals: {
      emergency: 'Pida ayuda ahora',
      crisis: 'Hable con alguien ahora',
      urgent: 'Lea esto primero',
      planned: 'Lea esto primero',
      prescriber: 'Pregunte antes de tomar o cambiar algo',
    },
  },
  fr: {
    send: 'Envoyer',
    placeholder: 'Écrivez votre question (en anglais)',
    conversation: 'Conversation',
    clear: 'Effacer la conversation',
    clearQuestion: 'Effacer cette conversation ? Elle est supprimée ici et sur le serveur.',
    clearYes: 'Effacer',
    clearNo: 'Garder',
    close: 'Fermer la discussion',
    doctor: 'Je suis un programme informatique, pas un médecin.',
    emergency: 'En cas d’urgence, appelez {number}.',
    emergencyNumber: 'le numéro d’urgence local',
    ready: 'Prêt à vous aider',
    connecting: 'Connexion …',
    offline: 'Pas de connexion. Vous pouvez continuer à écrire ; rien n’est perdu.',
    waiting: 'En attente de la connexion. L’envoi se fera tout seul.',
    later: 'Pas encore envoyé. L’envoi se fera dans un instant.',
    failed: 'L’envoi a échoué.',
    again: 'Réessayer',
    typing: '{title} écrit',
    you: 'Vous',
    earlier: 'Plus tôt dans cette conversation',
    suggestions: 'Questions proposées',
    copy: 'Copier cette réponse',
    copied: 'Copié',
    up: 'Cette réponse m’a aidé',
    down: 'Cette réponse ne m’a pas aidé',
    thanks: 'Merci de nous l’avoir dit.',
    sources: 'Sources',
    checked: 'Vérifié le {date}',
    newTab: 's’ouvre dans un nouvel onglet',
    notAllowed: 'La discussion ne peut pas être utilisée sur ce site.',
    erased: 'La conversation a été effacée.',
    english: 'Calla répond en anglais.',
    labels: {supported: 'Étayé', limited: 'Preuves limitées', not_supported: 'Non étayé', general: 'Information générale'},
    referrals: {
      emergency: 'Demandez de l’aide maintenant',
      crisis: 'Parlez à quelqu’un maintenant',
      urgent: 'À lire d’abord',
      planned: 'À lire d’abord',
      prescriber: 'Demandez avant de prendre ou de changer quelque chose',
    },
  },
  de: {
    send: 'Senden',
    placeholder: 'Ihre Frage (auf Englisch)',
    conversation: 'Gespräch',
    clear: 'Gespräch löschen',
    clearQuestion: 'Dieses Gespräch löschen? Es wird hier und auf dem Server gelöscht.',
    clearYes: 'Löschen',
    clearNo: 'Behalten',
    close: 'Chat schließen',
    doctor: 'Ich bin ein Computerprogramm, keine Ärztin.',
    emergency: 'Im Notfall rufen Sie {number} an.',
    emergencyNumber: 'die örtliche Notrufnummer',
    ready: 'Bereit',
    connecting: 'Verbindung wird aufgebaut …',
    offline: 'Keine Verbindung. Sie können weiterschreiben; nichts geht verloren.',
    waiting: 'Wartet auf die Verbindung. Wird von selbst gesendet.',
    later: 'Noch nicht gesendet. Wird gleich gesendet.',
    failed: 'Das konnte nicht gesendet werden.',
    again: 'Noch einmal versuchen',
    typing: '{title} schreibt',
    you: 'Sie',
    earlier: 'Früher in diesem Gespräch',
    suggestions: 'Vorgeschlagene Fragen',
    copy: 'Antwort kopieren',
    copied: 'Kopiert',
    up: 'Diese Antwort hat geholfen',
    down: 'Diese Antwort hat nicht geholfen',
    thanks: 'Danke für Ihre Rückmeldung.',
    sources: 'Quellen',
    checked: 'Geprüft am {date}',
    newTab: 'öffnet einen neuen Tab',
    notAllowed: 'Der Chat kann auf dieser Website nicht benutzt werden.',
    erased: 'Das Gespräch wurde gelöscht.',
    english: 'Calla antwortet auf Englisch.',
    labels: {supported: 'Belegt', limited: 'Wenig Belege', not_supported: 'Nicht belegt', general: 'Allgemeine Information'},
    referrals: {
      emergency: 'Holen Sie jetzt Hilfe',
      crisis: 'Bitte sprechen Sie jetzt mit jemandem',
      urgent: 'Bitte zuerst lesen',
      planned: 'Bitte zuerst lesen',
      prescriber: 'Fragen Sie, bevor Sie etwas nehmen oder ändern',
    },
  },
  ar: {
    send: 'إرسال',
    placeholder: 'اكتب سؤالك (بالإنجليزية)',
    conversation: 'المحادثة',
    clear: 'مسح المحادثة',
    clearQuestion: 'هل تريد مسح هذه المحادثة؟ ستُحذف هنا وعلى الخادم.',
    clearYes: 'مسح',
    clearNo: 'إبقاء',
    close: 'إغلاق المحادثة',
    doctor: 'أنا برنامج حاسوبي ولست طبيبًا.',
    emergency: 'في حالة الطوارئ اتصل بـ {number}.',
    emergencyNumber: 'رقم الطوارئ المحلي',
    ready: 'جاهز للمساعدة',
    connecting: 'جارٍ الاتصال …',
    offline: 'لا يوجد اتصال. يمكنك متابعة الكتابة؛ لن يضيع شيء.',
    waiting: 'في انتظار الاتصال. سيُرسل تلقائيًا.',
    later: 'لم يُرسل بعد. سيُرسل بعد لحظة.',
    failed: 'تعذّر الإرسال.',
    again: 'حاول مرة أخرى',
    typing: '{title} يكتب',
    you: 'أنت',
    earlier: 'سابقًا في هذه المحادثة',
    suggestions: 'أسئلة مقترحة',
    copy: 'نسخ هذه الإجابة',
    copied: 'تم النسخ',
    up: 'كانت هذه الإجابة مفيدة',
    down: 'لم تكن هذه الإجابة مفيدة',
    thanks: 'شكرًا لإخبارنا.',
    sources: 'المصادر',
    checked: 'تمت المراجعة في {date}',
    newTab: 'يفتح في علامة تبويب جديدة',
    notAllowed: 'لا يمكن استخدام المحادثة في هذا الموقع.',
    erased: 'تم مسح المحادثة.',
    english: 'تجيب Calla بالإنجليزية.',
    labels: {supported: 'مدعوم', limited: 'أدلة محدودة', not_supported: 'غير مدعوم', general: 'معلومات عامة'},
    referrals: {
      emergency: 'اطلب المساعدة الآن',
      crisis: 'تحدث إلى شخص ما الآن',
      urgent: 'يرجى قراءة هذا أولًا',
      planned: 'يرجى قراءة هذا أولًا',
      prescriber: 'اسأل قبل أن تتناول أو تغيّر أي شيء',
    },
  },
};
