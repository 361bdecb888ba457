//! Where a link listens and whom it reaches.

mod support;

use aggregator_network::{
    Address, Limits, LinkError, ListenAddress, PeerKey, RequestError, Transport,
};
use tokio::time::timeout;

use crate::support::{TEST_TIMEOUT, answer_reversed, asker, listener, small, start};

#[tokio::test]
async fn addresses_are_real_and_name_the_link() {
    let listen =
        [ListenAddress::loopback(Transport::Tcp, 0), ListenAddress::loopback(Transport::Quic, 0)];
    let (link, _inbox) = start(1, &listen, small()).await.unwrap();
    let addresses = link.addresses();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_eq!(address.peer(), link.peer());
        assert_ne!(address.listen().socket().port(), 0);
        assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }
}

#[tokio::test]
async fn port_of_another_link_is_refused_with_its_address() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let (_link, _inbox, taken) = listener(1, transport, small()).await;
        let refused = start(2, &[taken.listen()], small()).await;
        let Err(LinkError::AddressInUse { address }) = refused else {
            unreachable!("a second link shares the port: {refused:?}")
        };
        assert_eq!(address, taken.listen());
    }
}

#[tokio::test]
async fn port_of_a_plain_socket_is_refused_with_its_address() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = ListenAddress::new(socket.local_addr().unwrap(), Transport::Tcp);
    let refused = start(2, &[taken], small()).await;
    assert!(matches!(refused, Err(LinkError::AddressInUse { address }) if address == taken));
}

#[tokio::test]
async fn address_that_is_not_ours_is_refused() {
    // TEST-NET-1, RFC 5737: no host has it.
    let foreign: ListenAddress = "/ip4/192.0.2.1/tcp/0".parse().unwrap();
    let refused = start(1, &[foreign], small()).await;
    assert!(matches!(refused, Err(LinkError::Listen { address, .. }) if address == foreign));
}

#[tokio::test]
async fn limit_of_zero_is_refused() {
    let refused = start(1, &[], Limits { inbound_requests_max: 0, ..small() }).await;
    assert!(matches!(refused, Err(LinkError::Limit(_))));
}

async fn check_wrong_peer(transport: Transport) {
    let (server, inbox, address) = listener(1, transport, small()).await;
    answer_reversed(inbox);
    let client = asker(2, small()).await;
    let stranger = PeerKey::from_secret(&[9; 32]);
    let refused = client.request(&address.listen().with_peer(stranger), vec![1]).await;
    let Err(RequestError::WrongPeer { expected, got }) = refused else {
        unreachable!("the peer was not checked: {refused:?}")
    };
    assert_eq!((expected, got), (stranger, server.peer()));
    assert_eq!(server.counters().requests_in, 0);
}

#[tokio::test]
async fn peer_that_is_not_the_one_of_the_address_is_refused() {
    timeout(TEST_TIMEOUT, check_wrong_peer(Transport::Tcp)).await.unwrap();
    timeout(TEST_TIMEOUT, check_wrong_peer(Transport::Quic)).await.unwrap();
}

#[tokio::test]
async fn address_without_a_listener_is_unreachable() {
    let (server, _inbox, address) = listener(1, Transport::Tcp, small()).await;
    server.shutdown().await;
    let client = asker(2, small()).await;
    let refused = client.request(&address, vec![1]).await;
    assert!(matches!(refused, Err(RequestError::Unreachable { cause: Some(_), .. })));
}

#[tokio::test]
async fn request_to_oneself_is_refused() {
    let (link, _inbox, address) = listener(1, Transport::Tcp, small()).await;
    let refused = timeout(TEST_TIMEOUT, link.request(&address, vec![1])).await.unwrap();
    assert!(matches!(refused, Err(RequestError::Unreachable { .. })), "{refused:?}");
}
