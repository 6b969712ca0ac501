//! What keeps a server from starting, and what it says about it.

use crate::support::{Running, config, write_zoo, zoo_bytes};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tempfile::TempDir;
use tupate_server::{Error, Server, ZooCatalogue, ZooFiles};

#[tokio::test]
async fn an_address_in_use_says_what_to_do() {
    let first = Running::start().await;
    let mut config = config();
    config.listen = first.address;
    let error = Server::bind(config, Arc::new(ZooFiles::default())).await.unwrap_err();
    assert!(matches!(error, Error::AddressInUse { listen } if listen == first.address));
    let text = error.to_string();
    assert!(text.contains(&first.address.to_string()), "{text}");
    assert!(text.contains("--listen 127.0.0.1:0"), "{text}");
}

#[tokio::test]
async fn an_address_of_another_machine_says_so() {
    let mut config = config();
    // Reserved for documentation: no machine has it.
    config.listen = (Ipv4Addr::new(192, 0, 2, 1), 0).into();
    config.without_token = true;
    let error = Server::bind(config, Arc::new(ZooFiles::default())).await.unwrap_err();
    assert!(matches!(error, Error::AddressNotOurs { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

#[test]
fn a_damaged_zoo_is_named_by_its_path() {
    let dir = TempDir::new().unwrap();
    let good = write_zoo(&dir, "good.safetensors");
    let mut bytes = zoo_bytes("glue");
    *bytes.last_mut().unwrap() ^= 1;
    let bad = dir.path().join("bad.safetensors");
    std::fs::write(&bad, bytes).unwrap();
    let error = ZooFiles::read([&good, &bad]).unwrap_err();
    assert!(matches!(&error, Error::Zoo { path, .. } if *path == bad), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&bad.display().to_string()) && text.contains("damaged"), "{text}");
}

#[test]
fn what_cannot_be_read_is_named_by_its_path() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing.safetensors");
    let text = ZooFiles::read([&missing]).unwrap_err().to_string();
    assert!(text.contains(&missing.display().to_string()) && text.contains("check that"), "{text}");
    let text = ZooFiles::read([dir.path()]).unwrap_err().to_string();
    assert!(text.contains(&dir.path().display().to_string()) && text.contains("pack"), "{text}");
}

#[tokio::test]
async fn a_folder_gives_its_zoos_by_name() {
    let dir = TempDir::new().unwrap();
    for name in ["b.safetensors", "a.safetensors", "notes.txt"] {
        write_zoo(&dir, name);
    }
    std::fs::create_dir(dir.path().join("folder.safetensors")).unwrap();
    let zoos = ZooFiles::read([dir.path()]).unwrap().list().await.unwrap();
    let names: Vec<_> = zoos.iter().map(|zoo| zoo.file_name.as_str()).collect();
    assert_eq!(names, ["a.safetensors", "b.safetensors"]);
}
