//! A MongoDB server that is reachable and stores nothing, as with a full disk.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use mongodb::bson::{self, Document, doc};
use octet_backends::store::{DocumentStore, Inserted, StoreError};
use octet_testbed::{Database, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

use crate::{factories::document, mongodb::Mongo};

/// Forwards commands to a server, and answers inserts itself while it has an answer.
struct Refusing {
    address: SocketAddr,
    answer: Arc<Mutex<Option<Document>>>,
}

impl Refusing {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(None));
        let answers = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, server, Arc::clone(&answers)));
            }
        });
        Self { address, answer }
    }

    fn set(&self, answer: Option<Document>) {
        *self.answer.lock().unwrap() = answer;
    }
}

async fn forward(client: TcpStream, server: SocketAddr, answer: Arc<Mutex<Option<Document>>>) -> Option<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(server).await.ok()?.into_split();
    loop {
        let request = message(&mut from_client).await?;
        let answer = answer.lock().unwrap().clone().filter(|_| is_insert(&request));
        let response = if let Some(answer) = answer {
            response(&request, &answer)
        } else {
            to_server.write_all(&request).await.ok()?;
            message(&mut from_server).await?
        };
        to_client.write_all(&response).await.ok()?;
    }
}

/// A message of the wire protocol: its length comes first.
async fn message(stream: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = stream.read_i32_le().await.ok()?;
    let mut message = length.to_le_bytes().to_vec();
    message.resize(length.try_into().unwrap(), 0);
    stream.read_exact(&mut message[4..]).await.ok()?;
    Some(message)
}

/// Header, flags, the kind of the section (0), the document's length and the type of its first element, then its name.
fn is_insert(request: &[u8]) -> bool {
    request.get(26..).is_some_and(|name| name.starts_with(b"insert\0"))
}

/// An `OP_MSG` with the request's id, which stands after the length.
fn response(request: &[u8], answer: &Document) -> Vec<u8> {
    const OP_MSG: i32 = 2013;
    let body = bson::serialize_to_vec(answer).unwrap();
    let length = i32::try_from(16 + 4 + 1 + body.len()).unwrap();
    let mut response = [length.to_le_bytes(), 1_i32.to_le_bytes()].concat();
    response.extend(&request[4..8]);
    response.extend(OP_MSG.to_le_bytes());
    response.extend([0; 5]);
    response.extend(body);
    response
}

#[tokio::test]
async fn refused_writes_are_reported_by_pings_until_writes_work() {
    let server = Database::start().await;
    let refusing = Refusing::before(server.socket()).await;
    let mongo = Mongo::at(&format!("mongodb://{}/", refusing.address));
    let store = mongo.opened().await;
    assert_eq!(store.insert(&document("before")).await, Ok(Inserted::New));

    let text = "the disk is full";
    let answers = [
        doc! { "ok": 0, "errmsg": text, "code": 301, "codeName": "DiskFull" },
        doc! { "ok": 0, "errmsg": text, "code": 14_031, "codeName": "OutOfDiskSpace" },
        doc! { "ok": 0, "errmsg": text, "code": 13, "codeName": "Unauthorized" },
        doc! { "ok": 1, "n": 0, "writeErrors": [{ "index": 0, "code": 301, "errmsg": text }] },
        doc! { "ok": 1, "n": 0, "writeErrors": [{ "index": 0, "code": 371, "errmsg": text }] },
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(store.ping().await, Ok(()));
        refusing.set(Some(answer.clone()));
        let refused = store.insert(&document(&number.to_string())).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains(text)), "{refused:?}");
        for _ in 0..3 {
            let reported = store.ping().await;
            assert!(matches!(&reported, Err(StoreError::Unavailable(why)) if why.contains(text)), "{answer}");
        }
        refusing.set(None);
        eventually("a ping succeeds", async || store.ping().await).await;
        // The refused document was stored by the ping, or was not: a retry is a success in any case.
        store.insert(&document(&number.to_string())).await.unwrap();
    }
}

#[tokio::test]
async fn a_successful_insert_ends_the_report_of_refused_writes() {
    let server = Database::start().await;
    let refusing = Refusing::before(server.socket()).await;
    let mongo = Mongo::at(&format!("mongodb://{}/", refusing.address));
    let store = mongo.opened().await;
    refusing.set(Some(doc! { "ok": 0, "errmsg": "the disk is full", "code": 301, "codeName": "DiskFull" }));
    store.insert(&document("a")).await.unwrap_err();
    store.ping().await.unwrap_err();
    refusing.set(None);
    assert_eq!(store.insert(&document("b")).await, Ok(Inserted::New));
    assert_eq!(store.ping().await, Ok(()));
}
