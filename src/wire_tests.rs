//! What one side encodes, the other decodes.

use std::ffi::{CStr, CString};

use crate::plan::Step as HostStep;
use crate::wire::{
    Calls, Command, End, Ending, Header, NO_FD, Put, Reader, Record, Sink, Step, listener, spoiled,
};

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fn encode(step: &HostStep) -> Vec<u8> {
    let mut out = Bytes(Vec::new());
    step.encode(&mut out);
    out.0
}

fn bind() -> HostStep {
    let (source, target) = (CString::from(c"/usr"), CString::from(c"/opt/usr"));
    Step::Bind { source, fd: 7, device: u64::MAX, inode: 3, target, attributes: 0x0f }
}

#[test]
fn a_step_comes_back_as_it_was() {
    let bytes = encode(&bind());
    let mut reader = Reader::new(&bytes);

    let decoded = Step::decode(&mut reader);

    let (source, target): (&CStr, &CStr) = (c"/usr", c"/opt/usr");
    let expected = Step::Bind { source, fd: 7, device: u64::MAX, inode: 3, target, attributes: 0x0f };
    assert_eq!(decoded, Some(expected));
    assert!(reader.is_empty());
}

#[test]
fn bytes_may_contain_nul_but_strings_may_not() {
    let content = vec![0, 1, 0];
    let file: HostStep = Step::File { path: c"/a".into(), mode: 0o600, fd: NO_FD, content, bound: 0 };
    let bytes = encode(&file);
    let decoded = Step::decode(&mut Reader::new(&bytes));
    assert!(matches!(decoded, Some(Step::File { content: [0, 1, 0], mode: 0o600, .. })));

    let mut wrong = Bytes(Vec::new());
    30u32.put(&mut wrong); // hostname
    b"a\0b\0".as_slice().put(&mut wrong);
    assert_eq!(Step::decode(&mut Reader::new(&wrong.0)), None);
}

#[test]
fn a_step_cut_short_is_refused_wherever_it_is_cut() {
    let bytes = encode(&bind());
    for length in 0..bytes.len() {
        assert_eq!(Step::decode(&mut Reader::new(&bytes[..length])), None, "cut at {length}");
    }
}

#[test]
fn an_unknown_step_is_refused() {
    let bytes = 0xffff_u32.to_ne_bytes();
    assert_eq!(Step::decode(&mut Reader::new(&bytes)), None);
}

#[test]
fn records_come_back_as_they_were() {
    let mut reported = Calls::default();
    [0, 64, 200, Calls::LAST].into_iter().for_each(|number| reported.insert(number));
    let end = End {
        ending: Ending::CpuTime,
        status: -1,
        wall: u64::MAX,
        setup: 3,
        user: 1,
        system: 2,
        max_rss: 1 << 40,
        minor_faults: 4,
        major_faults: 5,
        blocks_read: 6,
        blocks_written: 7,
        voluntary_switches: 8,
        involuntary_switches: 9,
        violation: 42,
        reported,
    };
    let failed = Record::SetupFailed { step: u32::MAX, errno: 116, item: 9 };
    let others = [
        Record::Started { vouched: true },
        Record::Ready { vouched: true },
        Record::Spoiled { why: spoiled::TERMINALS },
        Record::Prepared,
        Record::Collected { errno: 27 },
        Record::Ended(end),
    ];
    for record in others.into_iter().chain([Record::NeedIdMaps, failed]) {
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
}

#[test]
fn an_unknown_record_or_ending_is_refused() {
    let mut bytes = Record::Started { vouched: false }.encode();
    bytes[0] = 99;
    assert_eq!(Record::decode(&bytes), None);

    let mut bytes = Record::Ended(End::default()).encode();
    bytes[8] = 99;
    assert_eq!(Record::decode(&bytes), None);
}

#[test]
fn the_header_comes_back_as_it_was() {
    let header = Header {
        body: 1,
        scratch: 2,
        fds: 3,
        wall_limit: u64::MAX,
        cpu_limit: 4,
        cpus: 5,
        meter: u64::from(NO_FD),
        killer: 6,
        clock_offset: -5,
        listener: listener::HOST,
        announce: 1,
    };
    assert_eq!(Header::decode(&header.encode()), header);
}

#[test]
fn a_set_of_calls_has_what_was_put_in_and_counts_what_is_beyond_as_its_last() {
    let mut calls = Calls::default();
    calls.insert(63);
    calls.insert(Calls::LAST + 100);
    let all: Vec<_> = (0..=Calls::LAST + 1).filter(|number| calls.contains(*number)).collect();
    assert_eq!(all, [63, Calls::LAST]);
}

#[test]
fn commands_come_back_as_they_were_and_no_other_code_is_one() {
    let known = [
        Command::IdMapsWritten,
        Command::Kill,
        Command::Detach,
        Command::OutputExceeded,
        Command::WallLimit(7),
        Command::CpuLimit(7),
        Command::Stop,
        Command::Continue,
        Command::Exec,
        Command::Prepare,
        Command::Collect,
        Command::Renew(7),
    ];
    let bytes = |code: u64| {
        let mut bytes = Command::WallLimit(7).encode();
        bytes[..8].copy_from_slice(&code.to_ne_bytes());
        bytes
    };

    let decoded: Vec<_> = (0..100).filter_map(|code| Command::decode(&bytes(code))).collect();

    assert_eq!(decoded, known);
    assert!(known.iter().all(|command| Command::decode(&command.encode()) == Some(*command)));
}
