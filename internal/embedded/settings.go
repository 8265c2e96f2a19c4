package embedded

import (
	"maps"
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// unlimited stands for "no limit that one machine reaches" where Temporal wants a rate per second.
// Its limits share a cluster fairly among tenants; here there is one.
const unlimited = 1_000_000

// settings are the dynamic configuration of a server that runs alone, under overrides. What is not
// named here already has the right default: updates and update-with-start, worker deployment
// versions, eager activity and workflow start are on, and the history cache holds 128,000 workflows.
func settings(overrides map[string]any) dynamicconfig.StaticClient {
	chosen := dynamicconfig.StaticClient{
		// Asks a host on the internet whether there is a newer server.
		dynamicconfig.EnableServerVersionCheck.Key(): false,

		// A task and its poller meet at once only in the same partition. With the default of four a
		// task can land where nobody polls and has to be forwarded.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// How often a second a shard looks for tasks it has just been told of. The default of 20 is
		// meant for thousands of shards; a single one meets it with one busy workflow, and then every
		// step waits 50 ms.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():       unlimited,
		dynamicconfig.TransferProcessorMaxPollHostRPS.Key():   unlimited,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():          unlimited,
		dynamicconfig.TimerProcessorMaxPollHostRPS.Key():      unlimited,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():     unlimited,
		dynamicconfig.VisibilityProcessorMaxPollHostRPS.Key(): unlimited,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():       unlimited,
		dynamicconfig.OutboundProcessorMaxPollHostRPS.Key():   unlimited,

		// A timer can fire no sooner than this after it is set, and rounds up to it: room for the clocks of
		// several machines, of which there is one. The default makes every wait shorter than a second
		// last a second. Not zero, because it is also the pause after a failed read of timers.
		dynamicconfig.TimerProcessorMaxTimeShift.Key(): 10 * time.Millisecond,

		// Who waits for a workflow to end is told through a channel that holds one message and drops
		// the next. A workflow whose last steps follow each other within a millisecond can so end
		// unheard, seen once in about fifty, and its waiter learns of it when the wait is renewed.
		dynamicconfig.HistoryLongPollExpirationInterval.Key(): time.Second,

		// Rates at which requests are refused. The one for lists and counts is 10 a second by
		// default, which a dashboard and a test together exceed.
		dynamicconfig.FrontendRPS.Key():                                  unlimited,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key():           unlimited,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): unlimited,
		dynamicconfig.FrontendGlobalWorkerDeploymentReadRPS.Key():        unlimited,

		// A release waiting for people holds one long poll for each who watches it.
		dynamicconfig.FrontendMaxConcurrentLongRunningRequestsPerInstance.Key(): 20_000,

		// A lane takes one update a submit and answers many at once; ten in flight are few.
		dynamicconfig.WorkflowExecutionMaxInFlightUpdates.Key(): 1000,

		// They look for rows that lost their owner in a cluster that moves shards. Nothing moves here,
		// and each is a workflow that starts with the server.
		dynamicconfig.TaskQueueScannerEnabled.Key(): false,
		dynamicconfig.HistoryScannerEnabled.Key():   false,
		dynamicconfig.BuildIdScavengerEnabled.Key(): false,
	}
	result := maps.Clone(chosen)
	for key, value := range overrides {
		result[dynamicconfig.MakeKey(key)] = value
	}
	return result
}
