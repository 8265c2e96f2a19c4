package embedded

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortsAreDistinctAndOnLoopback(t *testing.T) {
	p, err := findPorts(context.Background(), ":0")
	require.NoError(t, err)
	require.True(t, p.frontend.IP.IsLoopback())
	all := []int{p.frontend.Port, p.history, p.matching, p.worker}
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 4)

	_, err = findPorts(context.Background(), "7233")
	var port *PortError
	require.ErrorAs(t, err, &port)
	require.ErrorContains(t, err, "want host:port")
}

func TestStartNamesATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	for name, o := range map[string]Options{
		"Temporal frontend": {FrontendAddr: addr},
		"Temporal web UI":   {UIAddr: addr},
	} {
		t.Run(name, func(t *testing.T) {
			o.DataFile = filepath.Join(t.TempDir(), "temporal.db")
			_, err := Start(testContext(t), o)
			var port *PortError
			require.ErrorAs(t, err, &port)
			require.Equal(t, name, port.Name)
			require.Equal(t, addr, port.Addr)
			require.ErrorContains(t, err, addr+" for the "+name+" is already taken")
		})
	}
}
