package devserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

// newServer configures the four services of a single-node cluster with static
// hosts, so that no membership ports are needed. It listens on all ports but the
// Web UI's already; what is fatal to it then is an error here.
func (s *Server) newServer(ctx context.Context) (_ temporal.Server, err error) {
	s.building.Store(true)
	defer func() {
		s.building.Store(false)
		switch fault := recover().(type) {
		case nil:
		case fatal:
			err = fault
		default:
			panic(fault)
		}
	}()
	store, err := s.openStore(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.o.File, err)
	}
	services, hosts, httpPort, err := s.services(ctx)
	if err != nil {
		return nil, err
	}
	cfg := s.config(store, services, httpPort)
	log := logger{s.o.Logger, s.level, &s.building}
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, err
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, log)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(log),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamic()),
	)
}

// services gives each service a port: the frontend the configured one, the
// others free ones of this moment.
func (s *Server) services(ctx context.Context) (map[string]config.Service, map[primitives.ServiceName]static.Hosts, int, error) {
	services := map[string]config.Service{}
	hosts := map[primitives.ServiceName]static.Hosts{}
	httpPort, err := freePort(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	for _, name := range []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService} {
		rpc := config.RPC{BindOnIP: loopback, GRPCPort: s.o.Port}
		if name == primitives.FrontendService {
			rpc.HTTPPort = httpPort
		} else if rpc.GRPCPort, err = freePort(ctx); err != nil {
			return nil, nil, 0, err
		}
		services[string(name)] = config.Service{RPC: rpc}
		hosts[name] = static.SingleLocalHost(fmt.Sprintf("%s:%d", loopback, rpc.GRPCPort))
	}
	return services, hosts, httpPort, nil
}

func (s *Server) config(store *config.SQL, services map[string]config.Service, httpPort int) *config.Config {
	const active, storeName, disabled = "active", "sqlite", "disabled"
	return &config.Config{
		// The services may take twice MaxJoinDuration to start.
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: startWithin / 2, BroadcastAddress: loopback}},
		Persistence: config.Persistence{
			DefaultStore: storeName, VisibilityStore: storeName, NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{storeName: {SQL: store}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: active, CurrentClusterName: active,
			ClusterInformation: map[string]cluster.ClusterInformation{active: {
				Enabled: true, InitialFailoverVersion: 1, RPCAddress: s.Address(),
				HTTPAddress: fmt.Sprintf("%s:%d", loopback, httpPort), ClusterID: uuid.NewString(),
			}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History: config.HistoryArchival{State: disabled}, Visibility: config.VisibilityArchival{State: disabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: disabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: disabled},
		}},
		PublicClient: config.PublicClient{HostPort: s.Address()},
	}
}

// dynamic is the server's tuning for one small node: a single task-queue
// partition avoids a tail of seconds where few pollers wait on many partitions.
func dynamic() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 8096,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      true,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                    10000,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                     45000,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          1,
	}
}

// ensureSearchAttributes adds what an older file lacks; the attributes given to
// a new namespace count for a new file only.
func (s *Server) ensureSearchAttributes(ctx context.Context) error {
	c, err := s.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return addSearchAttributes(ctx, c, s.searchAttributes())
}

func addSearchAttributes(ctx context.Context, c client.Client, want map[string]enumspb.IndexedValueType) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: Namespace})
	if err != nil {
		return fmt.Errorf("list search attributes: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range want {
		if _, ok := have.GetCustomAttributes()[name]; !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: Namespace, SearchAttributes: missing})
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("add search attributes: %w", err)
	}
	return nil
}
