import { createContext, useContext } from "react";
import type { Why } from "../why.ts";
import type { LiveTexts } from "../live-text.ts";

/** What every entry may need to know of the page around it. */
export interface ConversationView {
  readonly runId: string;
  readonly selectedCallId: string | null;
  readonly why: Why | null;
  readonly mayOperate: boolean;
  readonly onSelect: (callId: string, isWhy?: boolean) => void;
  readonly onFork: (turn: number) => void;
}

export const ConversationContext: React.Context<ConversationView | null> = createContext<ConversationView | null>(null);

/** Apart from the rest: it changes with every word, and only calls under way read it. */
export const LiveContext: React.Context<LiveTexts> = createContext<LiveTexts>(new Map());

export function useConversation(): ConversationView {
  const view = useContext(ConversationContext);
  if (view === null) throw new Error("useConversation outside a conversation");
  return view;
}
