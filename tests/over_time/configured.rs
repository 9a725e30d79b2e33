//! The configuration changes from one start to the next: which lists there are, in which order,
//! under which names, and what is done with them.

use std::fs;

use toml::{Table, Value};

use super::kind::{Kind, each};
use super::scene::{Scene, Setting, list_in};
use super::source::{Issue, Source};
use super::told::Told;
use crate::kit::ask::{Response, ask};

/// The ids of the lists that the status knows.
fn lists(scene: &Scene) -> Vec<String> {
    let status = scene.running.json(&["status", "--json"]);
    let lists = status["lists"].as_array().expect("lists").iter();
    lists
        .map(|list| list["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn lists_of(config: &mut Table) -> &mut Vec<Value> {
    config["list"].as_array_mut().expect("lists")
}

#[test]
fn a_list_that_is_taken_out_of_the_configuration_comes_back_as_it_was() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.end();
        let file = scene.running.config_file();
        let before = fs::read_to_string(&file).expect("the configuration");
        scene.configure(|config| {
            lists_of(config).remove(0);
        });
        scene.running.restart();
        assert!(
            !scene.blocks("one.example") && scene.blocks("other.example"),
            "{kind:?}"
        );
        assert_eq!(lists(&scene), ["other"], "{kind:?}");
        scene.end();
        fs::write(file, before).expect("the configuration");
        scene.running.restart();
        scene.stands("a list that is there again", &Told::of(1));
        scene.publish();
        scene.wait_for(2);
        scene.stands("an issue after that", &Told::of(2));
        scene.close("a list out and in again");
    });
}

/// What is kept goes by a list's id, what is in force by its place.
#[test]
fn lists_may_be_added_and_put_in_another_order() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        let third = scene.source.path("third.txt");
        fs::write(&third, "third.example\n").expect("a file");
        let added = format!(
            "id = \"third\"\nauthority = \"A\"\nbasis = \"law\"\nlegal_basis = \"Act\"\n\
             stop = [\"192.0.2.1\"]\nfile = {third:?}\nunsigned = \"allow\"\n"
        );
        scene.configure(|config| {
            let added = Value::Table(added.parse().expect("TOML"));
            lists_of(config).insert(0, added);
        });
        scene.restart();
        assert!(scene.blocks("third.example"), "{kind:?}");
        scene.stands("a list before it", &Told::of(1));
        assert_eq!(lists(&scene), ["third", "one", "other"], "{kind:?}");
        scene.configure(|config| lists_of(config).reverse());
        scene.restart();
        assert!(scene.blocks("third.example"), "{kind:?}");
        scene.stands("another order", &Told::of(1));
        scene.publish();
        scene.wait_for(2);
        scene.restart_both_ways("an issue after that", &Told::of(2));
        assert_eq!(lists(&scene), ["other", "one", "third"], "{kind:?}");
        scene.close("another order");
    });
}

/// A list under another name is another list. What was signed for the old name is none of it; under
/// the old name it is there again, with its receipt.
#[test]
fn a_list_that_is_renamed_begins_anew_and_can_go_back() {
    each(&Kind::ALL, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.configure_list(|list| {
            list.insert("id".to_owned(), "uno".into());
        });
        scene.restart();
        assert_eq!(lists(&scene), ["uno", "other"], "{kind:?}");
        assert!(scene.blocks("other.example"), "{kind:?}");
        let status = || super::status_of(&scene.running, "uno");
        if kind.is_signed() {
            assert!(!scene.blocks("one.example"), "{kind:?}");
            assert_eq!(status()["live_since"], 0, "{kind:?}");
            assert!(
                scene.running.stdout().contains("list uno NOT IN FORCE ("),
                "{kind:?}"
            );
        } else {
            scene.until("the renamed list", || {
                scene.blocks("one.example").then_some(())
            });
            assert_eq!(status()["entries"], 2, "{kind:?}");
        }
        scene.configure(|config| {
            list_in(config, "uno").insert("id".to_owned(), "one".into());
        });
        scene.restart();
        scene.stands("the old name", &Told::of(1));
        scene.close("another name");
    });
}

fn question(scene: &Scene, name: &str) -> Response {
    ask(scene.running.address(), name, "A")
}

/// The file formats share a column: an answer does not depend on how a line was written.
#[test]
fn another_action_holds_with_the_next_start_and_differs_from_the_manifest() {
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.configure_list(|list| {
            list.remove("stop");
            list.insert("action".to_owned(), "nxdomain".into());
        });
        scene.restart();
        assert_eq!(
            question(&scene, "one.example").rcode(),
            "NXDOMAIN",
            "{kind:?}"
        );
        assert!(scene.blocks("other.example"), "{kind:?}");
        scene.publish();
        scene.until("the issue", || {
            (question(&scene, "issue-2.example").rcode() == "NXDOMAIN").then_some(())
        });
        let alarms = scene.until("the alarm", || {
            let alarms = scene.status()["alarms"].to_string();
            (alarms.contains("difference") == kind.is_signed()).then_some(alarms)
        });
        if kind.is_signed() {
            assert!(
                alarms.contains("asks for a stop page"),
                "{kind:?}: {alarms}"
            );
            let refused = "no receipt: the manifest asks for a stop page";
            scene.until(refused, || {
                scene.running.stderr().contains(refused).then_some(())
            });
            assert!(scene.status()["receipt"].is_null(), "{kind:?}");
        }
        scene.configure_list(|list| {
            list.remove("action");
            list.insert("stop".to_owned(), vec!["192.0.2.1", "2001:db8::1"].into());
        });
        scene.restart();
        scene.stands("the old action", &Told::of(2));
        scene.close("another action");
    });
}

#[test]
fn another_stop_address_and_another_authority_hold_with_the_next_start() {
    each(&Kind::WAYS, |kind| {
        let mut scene = Setting::new(kind).start();
        scene.configure_list(|list| {
            list.insert("stop".to_owned(), vec!["192.0.2.77"].into());
        });
        scene.restart();
        let answers = question(&scene, "one.example").answers();
        assert_eq!(answers.len(), 1, "{kind:?}");
        assert!(
            answers[0].ends_with(" A 192.0.2.77"),
            "{kind:?}: {answers:?}"
        );
        assert_eq!(scene.status()["alarms"].to_string(), "[]", "{kind:?}");
        scene.configure_list(|list| {
            list.insert("stop".to_owned(), vec!["192.0.2.1", "2001:db8::1"].into());
            list.insert("authority".to_owned(), "Other Authority".into());
        });
        scene.restart();
        let told = match kind.is_signed() {
            true => Told::of(1).alarm("difference"),
            false => Told::of(1),
        };
        scene.stands("another authority", &told);
        assert_eq!(scene.status()["authority"], "Other Authority", "{kind:?}");
        scene.configure_list(|list| {
            list.insert("authority".to_owned(), "Example Authority".into());
        });
        scene.restart();
        scene.stands("the old authority", &Told::of(1));
        scene.close("another stop address");
    });
}

/// To be signed from now on, by a folder, and not any more. All signed kinds are kept in one way.
#[test]
fn a_list_that_is_signed_from_now_on_goes_on_blocking_unvouched_until_it_is() {
    each(
        &[
            Kind::Plain,
            Kind::Hosts,
            Kind::Csv,
            Kind::Rpz,
            Kind::Transfer,
        ],
        |kind| {
            let mut scene = Setting::new(kind).start();
            let file = scene.running.config_file();
            let before = fs::read_to_string(&file).expect("the configuration");
            let signed = Source::new(Kind::Folder, scene.running.address());
            let format = scene.kind().format();
            let config: Table = signed.config("one", "").parse().expect("TOML");
            let mut list = config["list"][0].as_table().expect("a list").clone();
            // What is kept is written like this still.
            list.insert("format".to_owned(), format.into());
            scene.configure(|config| lists_of(config)[0] = Value::Table(list));
            scene.restart();
            // Told as of the file: no serial, no receipt.
            scene.stands("to be signed", &Told::of(1).alarm("unvouched"));
            let unsigned = std::mem::replace(&mut scene.source, signed);
            scene.issue = 2;
            scene.source.publish(&Issue::new(2));
            scene.wait_for(2);
            scene.restart_both_ways("signed", &Told::of(2));
            scene.end();
            fs::write(file, before).expect("the configuration");
            scene.source = unsigned;
            scene.publish();
            scene.running.restart();
            scene.wait_for(3);
            scene.restart_both_ways("not signed any more", &Told::of(3));
            scene.close("signed and back");
        },
    );
}
