package rocketmq

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Names that the server gives itself. Topics of these names are refused as system topics.
const (
	clusterName = "DefaultCluster"
	brokerName  = "broker-a"
)

// config holds the configuration files of an instance in its folder.
type config struct {
	dir   string
	ports ports
	super Credentials // of the first user, if the server is to have any
}

func (c config) path(name string) string { return filepath.Join(c.dir, name) }

// write writes the files.
func (c config) write() error {
	broker := c.broker()
	if err := c.super.addTo(broker); err != nil {
		return err
	}
	files := map[string]string{
		"namesrv.conf": properties(map[string]string{"listenPort": strconv.Itoa(c.ports.namesrv)}),
		"broker.conf":  properties(broker),
	}
	for i, ports := range c.ports.proxies {
		settings := map[string]any{
			"rocketMQClusterName": clusterName,
			"namesrvAddr":         local(c.ports.namesrv),
			"grpcServerPort":      ports.grpc,
			"remotingListenPort":  ports.remoting,
			// Routes name the proxies as the client does. By default they all get this one's port,
			// since proxies are expected on machines of their own.
			"useEndpointPortFromRequest": true,
		}
		c.super.guard(settings)
		proxy, err := json.MarshalIndent(settings, "", "  ")
		if err != nil {
			return fmt.Errorf("rocketmq: write the configuration: %w", err)
		}
		files[proxyName(i)+".json"] = string(proxy)
	}
	for name, content := range files {
		if err := os.WriteFile(c.path(name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("rocketmq: write the configuration: %w", err)
		}
	}
	return nil
}

// broker returns the broker's properties: the server's defaults, save for addresses, folders, files
// small enough for a test with hundreds of topics, and the recall of messages and topics of type MIXED,
// which are off by default.
func (c config) broker() map[string]string {
	return map[string]string{
		"brokerClusterName":          clusterName,
		"brokerName":                 brokerName,
		"brokerId":                   "0",
		"brokerIP1":                  host,
		"namesrvAddr":                local(c.ports.namesrv),
		"listenPort":                 strconv.Itoa(c.ports.broker),
		"haListenPort":               strconv.Itoa(c.ports.broker + 1),
		"storePathRootDir":           c.path("store"),
		"storePathCommitLog":         c.path("store/commitlog"),
		"mappedFileSizeCommitLog":    strconv.Itoa(128 << 20),
		"mappedFileSizeConsumeQueue": strconv.Itoa(30_000 * 20), // entries of 20 bytes
		"timerWheelEnable":           "true",
		"enablePropertyFilter":       "true",
		"recallMessageEnable":        "true",
		"enableMixedMessageType":     "true",
		"enableLmq":                  "true", // these two are off by default, and without them
		"enableMultiDispatch":        "true", // what is sent to a lite topic cannot be received
	}
}

func properties(lines map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&b, "%s=%s\n", key, lines[key])
	}
	return b.String()
}
