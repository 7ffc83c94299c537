package broker

import (
	"context"
	"errors"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// QueryRoute tells the queues of a topic on all brokers. They are behind the endpoints that the client
// has named in its request, as it knows best how it reaches the proxies.
func (p *proxy) QueryRoute(ctx context.Context, req *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	queues, err := collect(p.cluster.listed(), func(b *Broker) ([]*v2.MessageQueue, error) {
		return p.named(b, req.GetEndpoints()).route(ctx, req)
	})
	return &v2.QueryRouteResponse{Status: statusOf(err), MessageQueues: queues}, nil
}

// QueryAssignment tells a consumer to receive from all brokers.
func (p *proxy) QueryAssignment(
	ctx context.Context, req *v2.QueryAssignmentRequest,
) (*v2.QueryAssignmentResponse, error) {
	assignments, err := collect(p.cluster.listed(), func(b *Broker) ([]*v2.Assignment, error) {
		return p.named(b, req.GetEndpoints()).assign(ctx, req)
	})
	return &v2.QueryAssignmentResponse{Status: statusOf(err), Assignments: assignments}, nil
}

// named gives the service of a broker, which is said to be at the endpoints that a client has named, if
// any.
func (p *proxy) named(b *Broker, by *v2.Endpoints) *service {
	s := p.at(b)
	if len(by.GetAddresses()) > 0 {
		s.endpoints = by
	}
	return s
}

// A localProxy answers the clients of one broker of a cluster of mode ProxyLocal.
type localProxy struct {
	*service
	cluster *Cluster
}

// QueryRoute tells the queues of a topic on all brokers, each behind its own endpoint.
func (p *localProxy) QueryRoute(ctx context.Context, req *v2.QueryRouteRequest) (*v2.QueryRouteResponse, error) {
	queues, err := collect(p.cluster.listed(), func(b *Broker) ([]*v2.MessageQueue, error) {
		return b.service(p.sessions, b.front.endpoints()).route(ctx, req)
	})
	return &v2.QueryRouteResponse{Status: statusOf(err), MessageQueues: queues}, nil
}

// QueryAssignment tells a consumer to receive from all brokers.
func (p *localProxy) QueryAssignment(
	ctx context.Context, req *v2.QueryAssignmentRequest,
) (*v2.QueryAssignmentResponse, error) {
	assignments, err := collect(p.cluster.listed(), func(b *Broker) ([]*v2.Assignment, error) {
		return b.service(p.sessions, b.front.endpoints()).assign(ctx, req)
	})
	return &v2.QueryAssignmentResponse{Status: statusOf(err), Assignments: assignments}, nil
}

// collect gathers what the brokers say of a topic. One that does not have it, or lets nobody read it,
// adds nothing, unless none does more.
func collect[T any](brokers []*Broker, ask func(*Broker) ([]T, error)) ([]T, error) {
	if len(brokers) == 0 {
		return nil, refuse(v2.Code_TOPIC_NOT_FOUND, "No topic route info in name server: there is no broker")
	}
	var all []T
	var first error
	for _, b := range brokers {
		some, err := ask(b)
		r, refused := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			all = append(all, some...)
		case refused && (r.code == v2.Code_TOPIC_NOT_FOUND || r.code == v2.Code_FORBIDDEN):
			if first == nil {
				first = err
			}
		default:
			return nil, err
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, first
}
