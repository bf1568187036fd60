import { stemmer } from "stemmer";

/** Words that say nothing about a subject: articles, pronouns, auxiliaries, and what a question is built with. */
const STOP_WORDS = new Set(
  (
    "a about above after again all also am an and any are as at be because been before being below between both but by can " +
    "cannot could did do does doing don done during each either else ever every few for from further had has have having he " +
    "her here hers him his how however i if in into is isn it its itself just let me might mine more most must my myself no " +
    "nor not now of off on once one only onto or other our ours out over own per please same shall she should so some such " +
    "than that the their theirs them then there these they this those through to too under until up upon us very was we were " +
    "what whatever when where whether which while who whom whose why will with within without would yes yet you your yours " +
    "answer cite describe docs document documents documentation explain find folder list look question quote say search show " +
    "source sources summarise summarize tell told according may still down even already away ago"
  ).split(" "),
);

/** Words that stand in questions about anything: they help to rank, and prove little. */
const WEAK_WORDS = new Set(
  (
    "able actually allow allowed amount become big call called change come comes contain contains count day days default different do exactly far fast get gets give given go " +
    "goes going good got happen happens happened have help high hold holds hour hours include keep kind kinds know large late leave length like long longer " +
    "low lot make makes many maximum mean means minimum minute minutes month months much name named names need needed needs new normal number " +
    "often old part parts people person place possible possibly put really require required right run running runs second seconds set should " +
    "size small something soon start sure take takes thing things time times try turn type types use used user users uses using " +
    "usual usually value want wants way week weeks work working works year years " +
    "byte bytes cent cents centimetre centimetres degree degrees dollar dollars euro euros gram grams inch inches kilo kilogram kilograms kilometre " +
    "kilometres kilos litre litres liter liters megabyte megabytes meter meters metre metres mile miles millimetre millimetres percent pound pounds ton " +
    "tonne tonnes tons unit units watt watts"
  ).split(" "),
);

/** Words that people use for the same thing. General English and general computing, nothing of any one folder. */
const ALIKE = [
  "warranty guarantee",
  "cost price fee charge pay paid payment money",
  "salary pay wage paid",
  "vacation holiday leave",
  "employee staff colleague worker",
  "company firm employer business",
  "boss manager supervisor chief",
  "delete remove erase discard drop purge",
  "begin start launch initiate",
  "end stop finish terminate quit",
  "repair fix mend solve",
  "error fault failure alarm problem",
  "fail failing raise throw crash break",
  "retry attempt again repeat",
  "max maximum",
  "min minimum",
  "buy purchase order",
  "big large size maximum limit",
  "small tiny minimum",
  "quick fast speed soon",
  "slow delay wait",
  "loud noise sound volume quiet",
  "retain retention keep kept store stored",
  "forbid forbidden prohibit ban allowed permitted",
  "may can allowed permit permission",
  "pull merge patch request change",
  "rollback revert undo",
  "deploy deployment release rollout ship promote",
  "ui interface gui web browser screen",
  "licence license",
  "colour color",
  "metre meter",
  "night overnight nightly",
  "noon midday",
  "weekend saturday sunday",
  "car vehicle",
  "phone telephone call number",
  "email mail",
  "photo picture image",
  "laptop computer notebook device",
  "password credential secret passphrase",
  "login signin authenticate authentication",
  "authority regulator",
  "leak exposure breach expose exposed",
  "tell inform notify report",
  "concurrency concurrent concurrently parallel simultaneously",
  "timeout limit deadline",
  "configure configuration setting option adjust",
  "install installation setup mount fit",
  "update upgrade",
  "need require required requirement",
  "connect connection attach plug",
  "clean rinse wash",
  "replace exchange swap substitute",
  "check inspect inspection test verify examine",
  "choose select pick",
  "create make build add",
  "view see show display",
  "help support assistance",
  "child children kid",
  "ill illness sick",
  "parent parental mother father",
  "bonus reward",
  "recommend recommended referral refer",
  "applicant candidate",
  "duty shift rota",
  "member membership",
  "boat ship vessel yacht",
  "lend borrow loan",
  "rent hire lease",
  "penalty fine",
  "cancel cancellation cancelled",
  "open opening",
  "close closed closing shut",
  "cold cool",
  "warm heat hot",
  "temperature degree",
  "weigh weight heavy",
  "broken damaged defect defective",
  "backup copy",
  "documentation manual handbook guide",
  "space room distance clearance free gap",
  "unlock lock locked",
  "job task",
  "schedule cron plan",
  "cancel terminate quit leave withdraw end",
  "emergency distress urgent danger",
  "beer wine alcohol drunk drink",
  "drink beverage",
  "food meal eat kitchen cook",
  "dog cat pet animal",
  "rubbish waste trash garbage litter dispose bin",
  "old age aged",
  "young youth teenager",
  "join enter admission register registration enrol",
  "sick illness disease",
  "injury injured hurt accident",
  "doctor physician medical",
  "rain wet damp moisture humidity",
  "snow ice frost freeze frozen",
  "wind storm gale weather",
  "road street path way",
  "town city municipal",
  "bicycle bike cycle",
  "travel trip journey tour",
  "money cash currency",
  "refund reimburse reimbursement repay",
  "bill invoice",
  "customer client guest visitor",
  "seller vendor supplier dealer",
  "contract agreement",
  "law legal statute regulation rule",
  "duty obligation must",
  "forbidden prohibited banned",
  "responsible accountable charge owner",
  "lead leader head chief",
  "team group crew department",
  "meeting appointment call conference",
  "school course lesson training class",
  "teacher instructor trainer tutor",
  "pupil student learner beginner trainee",
  "exam test certificate licence badge",
  "newcomer beginner novice new",
  "house home building flat apartment",
  "room hall chamber",
  "door gate entrance entry",
  "key lock",
  "light lamp bulb",
  "electricity power current mains",
  "cable wire lead cord",
  "screen display monitor panel",
  "button switch knob",
  "machine device unit appliance equipment",
  "tool instrument",
  "spare replacement",
  "pipe tube hose",
  "leak leakage drip",
  "drain empty",
  "fill refill top",
  "tank reservoir vessel container",
  "dirty soiled contaminated",
  "smell odour",
  "burn fire flame smoke",
  "dangerous hazard hazardous risk unsafe",
  "safe safety secure security protection",
  "protect guard shield prevent",
  "weaken damage harm hurt",
  "lose lost missing",
  "steal stolen theft",
  "store storage storing keep warehouse",
  "send transmit deliver dispatch",
  "receive get obtain",
  "publish announce release",
  "write draft compose edit",
  "read view",
  "sign signature",
  "speak talk say",
  "ask request apply application",
  "answer reply respond response",
  "accept approve approval consent agree",
  "refuse reject decline deny",
  "choose elect vote",
  "measure gauge measurement",
  "count number amount quantity",
  "increase raise grow rise more",
  "decrease reduce lower shrink less fewer",
  "heavy weight load",
  "wide width broad",
  "high height tall",
  "deep depth",
  "distance far range",
  "near close beside next",
  "left remaining rest",
  "whole entire complete full total",
  "part piece component section",
  "version release edition",
  "database table sqlite postgresql postgres",
  "folder directory",
  "function method procedure",
  "argument parameter option flag",
  "variable constant setting",
  "exception error throw raise",
  "log logging journal record",
  "memory ram",
  "disk storage drive",
  "network internet wifi wireless lan",
  "server host machine",
  "user account member",
  "encrypt encryption cipher",
  "secret key token credential",
  "queue backlog waiting",
  "worker process thread",
  "parallel simultaneous concurrent",
  "interval period frequency",
  "monitor monitoring observe watch",
  "alert alarm notification warning",
  "graph chart diagram",
  "format layout shape",
  "language locale translation",
  "compile build",
  "dependency library package module",
  "test check verify",
  "bug defect fault issue",
  "outdated old overdue expired",
  "expire expiry expiration",
  "coldest lowest minimum",
  "hottest highest maximum",
];

/** By stem: the stems and the plain words of its groups, and how many groups there are. */
const related = new Map<string, { readonly stems: Set<string>; readonly words: Set<string>; groups: number }>();
for (const group of ALIKE) {
  const words = group.split(" ");
  const stems = words.map((word) => stemmer(word));
  for (const stem of stems) {
    const known = related.get(stem) ?? { stems: new Set<string>(), words: new Set<string>(), groups: 0 };
    related.set(stem, known);
    known.groups++;
    for (const word of words) known.words.add(word);
    for (const other of stems) known.stems.add(other);
  }
}

/** The words and numbers of a text in lower case; `maxRetries` and `max_retries` are two words, `E40` is one. */
export function wordsOf(text: string): readonly string[] {
  const split = text
    .replaceAll(/(?<=\p{Ll})(?=\p{Lu})/gu, " ")
    .toLowerCase()
    .replaceAll(/['’](s|t|re|ll|ve|d|m)\b/g, " ");
  return split.match(/\p{L}[\p{L}\p{N}]*|\p{N}+(?:[.,]\p{N}+)*/gu) ?? [];
}

/** Porter's stem: `retries` and `retry` have one. */
export function stemOf(word: string): string {
  return stemmer(word);
}

export function stemsOf(text: string): readonly string[] {
  return wordsOf(text).map((word) => stemmer(word));
}

export function isStopWord(word: string): boolean {
  return STOP_WORDS.has(word) || (word.length === 1 && !/\p{N}/u.test(word));
}

export function isWeakWord(word: string): boolean {
  return WEAK_WORDS.has(word);
}

/** Words that may stand for the one of this stem. */
export function alikeWords(stem: string): readonly string[] {
  return [...(related.get(stem)?.words ?? [])].filter((word) => stemmer(word) !== stem);
}

/** 1 the same word · 0.7 a word for the same thing, 0.5 where it has several meanings · 0.6 a longer or shorter form · 0 another word */
export function likeness(stem: string, other: string): number {
  if (stem === other) return 1;
  const alike = related.get(stem);
  if (alike?.stems.has(other) === true) return alike.groups === 1 ? 0.7 : 0.5;
  const shared = Math.min(stem.length, other.length);
  return shared >= 5 && stem.slice(0, shared) === other.slice(0, shared) ? 0.6 : 0;
}
