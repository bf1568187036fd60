export { langGraphSaver, type LangGraphSaverOptions } from "./stores/langgraph.ts";
