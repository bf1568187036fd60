export { faultProfiles, type FaultProfile, type FaultProfileName, type ModelFault } from "./testing/fault-profiles.ts";
export { faultyModel, type FaultCounts, type FaultyModel, type FaultyModelOptions } from "./testing/faulty-model.ts";
export { manualClock, type ManualClock } from "./testing/manual-clock.ts";
export { memoryStore } from "./testing/memory-store.ts";
export { checkRuns, type RunCheckOptions } from "./testing/run-checks.ts";
export {
  scriptedModel,
  type Script,
  type ScriptContext,
  type ScriptedCall,
  type ScriptedModel,
  type ScriptedModelOptions,
  type ScriptedTurn,
  type SeenRequest,
} from "./testing/scripted-model.ts";
export {
  simulate,
  simulateSeed,
  type SeedReport,
  type SimulatedEnd,
  type SimulatedStart,
  type SimulationOptions,
  type SimulationReport,
} from "./testing/simulator.ts";
export type { StoreUnderTest } from "./testing/store-claims.ts";
export { storeSuite, type StoreSuiteOptions } from "./testing/store-suite.ts";
export { transcriptProblem } from "./testing/transcript-rules.ts";
export type { WireFault, WireFinish, WireReply, WireToolCall, WireUsage } from "./testing/wire-reply.ts";
export { startWireServer, type WireRequest, type WireScript, type WireServer } from "./testing/wire-server.ts";
