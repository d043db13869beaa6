//! What members of a consumer group read, as the consumer protocol encodes it.

/// Topics in a member's assignment, as the consumer protocol encodes it: version i16, then an array of topics, each
/// a string and an array of i32. What does not fit is no topic.
/// <https://kafka.apache.org/protocol#The_Messages_ConsumerProtocolAssignment>
pub(super) fn assigned_topics(mut bytes: &[u8]) -> Vec<String> {
    fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
        let (head, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(head)
    }
    fn number(bytes: &mut &[u8], width: usize) -> Option<usize> {
        take(bytes, width).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }
    let mut topics = Vec::new();
    let mut topic = |bytes: &mut &[u8]| {
        let length = number(bytes, 2)?;
        let name = take(bytes, length)?;
        let partitions = number(bytes, 4)?;
        take(bytes, partitions.checked_mul(4)?)?;
        topics.push(String::from_utf8_lossy(name).into_owned());
        Some(())
    };
    let count = take(&mut bytes, 2).and_then(|_| number(&mut bytes, 4)).unwrap_or(0);
    for _ in 0..count {
        if topic(&mut bytes).is_none() {
            break;
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assignment(topics: &[(&str, i32)]) -> Vec<u8> {
        let mut bytes = 1i16.to_be_bytes().to_vec();
        bytes.extend((topics.len() as i32).to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend((name.len() as i16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(partitions.to_be_bytes());
            (0..*partitions).for_each(|id| bytes.extend(id.to_be_bytes()));
        }
        bytes.extend((-1i32).to_be_bytes());
        bytes
    }

    #[test]
    fn topics_of_an_assignment_are_read() {
        assert_eq!(assigned_topics(&assignment(&[("a.b", 6), ("c", 0)])), ["a.b", "c"]);
        assert_eq!(assigned_topics(&assignment(&[])), Vec::<String>::new());
    }

    #[test]
    fn an_assignment_that_is_cut_gives_only_what_is_whole() {
        let whole = assignment(&[("a", 1), ("b", 2)]);
        assert_eq!(assigned_topics(&whole[..whole.len() - 6]), ["a"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_as_an_assignment(bytes: Vec<u8>) {
            prop_assert!(assigned_topics(&bytes).len() <= bytes.len());
        }
    }
}
