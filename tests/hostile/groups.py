"""tests/hostile/groups.py - members of groups as nobody should be; called by groups.test.

    groups.py HOST:PORT BROKER_PID      (pid 0: memory is not looked at)

Topic `t` has one partition, topic `gone` is deleted on the way; KLAMM_MEMBERS ids are asked for
(10000).
"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bystander  # noqa: E402
from bystander import beside, case  # noqa: E402
from client import CLOSED, Client, encode  # noqa: E402

ADDRESS, PID = sys.argv[1], int(sys.argv[2])
MEMBERS = int(os.environ.get("KLAMM_MEMBERS", "10000"))
NONE, UNKNOWN, TOO_LARGE, INCONSISTENT, INVALID_GROUP, UNKNOWN_MEMBER = 0, -1, 12, 23, 24, 25
INVALID_REQUEST, FENCED_EPOCH, BAD_ASSIGNOR, BAD_REGEX = 42, 110, 112, 128
UNKNOWN_TOPIC, ILLEGAL_GENERATION, MEMBER_ID_REQUIRED, ID_NOT_FOUND = 3, 22, 79, 69


def resident_mb():
    if not PID:
        return 0
    with open(f"/proc/{PID}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


client = Client(ADDRESS, timeout=60)


def ask(name, version, **values):
    global client
    answer = client.ask(name, version, **values)
    if answer == CLOSED:
        client = Client(ADDRESS, timeout=60)
    return answer


def join(group, version=3, **more):
    values = dict(GroupId=group, SessionTimeoutMs=30000, RebalanceTimeoutMs=30000, MemberId="",
                  ProtocolType="consumer", Protocols=[{"Name": "range", "Metadata": b"x"}])
    values.update(more)
    return ask("JoinGroup", version, **values)


def sync(group, member, generation=1, assignment=b"all", version=3):
    return ask("SyncGroup", version, GroupId=group, MemberId=member, GenerationId=generation,
               Assignments=[{"MemberId": member, "Assignment": assignment}])


def commit(group, topic="t", offset=1, version=8, metadata="", **who):
    answer = ask("OffsetCommit", version, GroupId=group, Topics=[
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset,
                                        "CommittedMetadata": metadata}]}], **who)
    return answer if answer == CLOSED else answer["Topics"][0]["Partitions"][0]["ErrorCode"]


def subscription(topics, user_data=b""):
    return struct.pack(">hi", 0, len(topics)) + b"".join(
        struct.pack(">h", len(t)) + t.encode() for t in topics) + struct.pack(
            ">i", len(user_data)) + user_data


def works(what):
    """A group like any other comes together and commits."""
    group = f"after {what}"
    answer = join(group)
    good = answer != CLOSED and answer["ErrorCode"] == NONE
    if good:
        good = sync(group, answer["MemberId"])["ErrorCode"] == NONE and commit(
            group, GenerationIdOrMemberEpoch=1, MemberId=answer["MemberId"]) == NONE
        ask("LeaveGroup", 2, GroupId=group, MemberId=answer["MemberId"])
    case(f"a group works after {what}", good, answer)


def warm_up():
    while ask("FindCoordinator", 3, Key="g", KeyType=0)["ErrorCode"] != NONE:
        time.sleep(0.2)
    while commit("warm") != NONE:
        time.sleep(0.2)


def names():
    for name, group in (("control characters", "a\0b\r\n\x1b[31m\x7f"), ("slashes", "../../etc/x"),
                        ("an emoji", "\U0001f600" * 50), ("32,000 characters", "g" * 32000)):
        answer = join(group)
        good = answer["ErrorCode"] == NONE and sync(group, answer["MemberId"])["ErrorCode"] == NONE
        case(f"a group id of {name} is a group id", good and commit(
            group, GenerationIdOrMemberEpoch=1, MemberId=answer["MemberId"]) == NONE, answer)
        listed = [g["GroupId"] for g in ask("ListGroups", 3)["Groups"]]
        case(f"and is listed: {name}", group in listed)
        ask("LeaveGroup", 2, GroupId=group, MemberId=answer["MemberId"])
    answer = join("no name"[:0])
    case("no group id is refused", answer["ErrorCode"] == INVALID_GROUP, answer)
    for version in (4, 9):
        answer = join("x" * 100, version, MemberId="never given\0")
        case(f"an id that nobody gave is refused, v{version}",
             answer["ErrorCode"] == UNKNOWN_MEMBER, answer)
    answer = ask("ConsumerGroupHeartbeat", 1, GroupId="odd\0name", MemberId="m", MemberEpoch=0,
                 RebalanceTimeoutMs=1000, SubscribedTopicNames=["t"], ServerAssignor="no\0such",
                 TopicPartitions=[])
    case("a NUL does not cut what is said of a name", answer["ErrorMessage"] ==
         "ServerAssignor no\0such is not supported. Supported assignors: uniform, range.", answer)
    works("odd names")


def large():
    answer = join("large", Protocols=[
        {"Name": "range", "Metadata": subscription(["t"], b"m" * (1 << 20))}])
    case("1 MB of metadata may join", answer["ErrorCode"] == NONE, answer["ErrorCode"])
    refused = sync("large", answer["MemberId"])
    case("a generation too large for a batch is refused", refused["ErrorCode"] == UNKNOWN, refused)
    topics = [f"topic-number-{i}" for i in range(10000)]
    member = join("wide", Protocols=[{"Name": "range", "Metadata": subscription(topics)}])
    case("10,000 topics may be subscribed to",
         sync("wide", member["MemberId"])["ErrorCode"] == NONE)
    answer = ask("OffsetDelete", 0, GroupId="wide", Topics=[
        {"Name": "t", "Partitions": [{"PartitionIndex": 0}]}])
    case("a topic that is not among them is not subscribed to",
         answer["Topics"][0]["Partitions"][0]["ErrorCode"] == NONE, answer)
    if PID:  # Apache Kafka takes any number
        many = [{"Name": f"p{i}", "Metadata": b""} for i in range(20000)]
        answer = join("many", Protocols=many)
        case("20,000 protocols are refused", answer["ErrorCode"] == INCONSISTENT, answer)
    case("an offset's metadata above the limit is refused", commit(
        "plain", metadata="x" * 5000) == TOO_LARGE)
    for name, metadata in (("that ends early", b"\0\0\0\0\0\x09\0\x04to"), ("of nothing", b""),
                           ("that counts below zero", b"\0\0\xff\xff\xff\xfe")):
        answer = join(f"torn {name}", Protocols=[{"Name": "range", "Metadata": metadata}])
        case(f"a subscription {name} hurts nobody", sync(
            f"torn {name}", answer["MemberId"])["ErrorCode"] == NONE, answer)
    works("large members")


def gone():
    case("a topic that is there takes offsets", commit("keeper", "gone") == NONE)
    ask("DeleteTopics", 1, TopicNames=["gone"], TimeoutMs=5000)
    case("a topic that is gone takes none", commit("keeper", "gone") == UNKNOWN_TOPIC)
    fetched = ask("OffsetFetch", 7, GroupId="keeper", Topics=None)
    case("and its offsets are gone", not fetched["Topics"], fetched)
    case("a generation that is over commits nothing", commit(
        "wide", GenerationIdOrMemberEpoch=0, MemberId="who") == UNKNOWN_MEMBER)


def crowd():
    """Ids that are asked for and never used, as fast as they come."""
    before = resident_mb()
    body = encode("JoinGroup", 4, dict(GroupId="crowd", SessionTimeoutMs=6000, MemberId="",
                                       RebalanceTimeoutMs=6000, ProtocolType="consumer",
                                       Protocols=[{"Name": "range", "Metadata": b"x"}]))
    payload = struct.pack(">hhih", 11, 4, 1, 4) + b"test" + body
    frame = struct.pack(">i", len(payload)) + payload
    crowd_of = Client(ADDRESS, timeout=60)
    errors = {}
    for _ in range(MEMBERS // 100):
        crowd_of.socket.sendall(frame * 100)
        for _ in range(100):
            raw = crowd_of.exactly(struct.unpack(">i", crowd_of.exactly(4))[0])
            error = struct.unpack(">h", raw[8:10])[0]
            errors[error] = errors.get(error, 0) + 1
    case(f"{MEMBERS} ids are given", errors == {MEMBER_ID_REQUIRED: MEMBERS}, errors)
    grown = resident_mb() - before
    case("each takes little memory", grown * 1024 * 1024 < 2000 * MEMBERS + (16 << 20), grown)
    crowd_of.close()
    works("a crowd")


def beat(group, member="m", epoch=0, **more):
    values = dict(GroupId=group, MemberId=member, MemberEpoch=epoch, RebalanceTimeoutMs=30000,
                  SubscribedTopicNames=["t"], TopicPartitions=[])
    values.update(more)
    if epoch != 0:
        values = {name: values[name] for name in ("GroupId", "MemberId", "MemberEpoch", *more)}
    return ask("ConsumerGroupHeartbeat", 1, **values)


def modern():
    """Members of the consumer protocol."""
    for name, want, answer in (
            ("a member of no group", ID_NOT_FOUND, beat("nobody's", epoch=7)),
            ("no member id", INVALID_REQUEST, beat("modern", member="")),
            ("no group id", INVALID_REQUEST, beat("")),
            ("an epoch that is none", INVALID_REQUEST, beat("modern", epoch=-3)),
            ("no rebalance time-out", INVALID_REQUEST, beat("modern", RebalanceTimeoutMs=-1)),
            ("no subscription", INVALID_REQUEST, beat("modern", SubscribedTopicNames=None)),
            ("partitions before it has any", INVALID_REQUEST, beat("modern", TopicPartitions=[
                {"TopicId": "00000000-0000-0000-0000-000000000001", "Partitions": [0]}])),
            ("an assignor that is none", BAD_ASSIGNOR, beat("modern", ServerAssignor="best")),
            ("an expression that is none", BAD_REGEX, beat("modern", SubscribedTopicRegex="a[",
                                                           SubscribedTopicNames=None))):
        case(f"a heartbeat with {name} is refused", answer["ErrorCode"] == want, answer)
    first = beat("modern")
    case("none of them made a group that a member cannot join", first["ErrorCode"] == NONE, first)
    for name, want, answer in (
            ("a member that is none", UNKNOWN_MEMBER, beat("modern", "other", 1)),
            ("an epoch to come", FENCED_EPOCH, beat("modern", epoch=first["MemberEpoch"] + 7))):
        case(f"a heartbeat with {name} is refused", answer["ErrorCode"] == want, answer)
    odd = beat("\0\r\n\x1b[31m", "\0m\x7f")
    case("control characters are ids, too", odd["ErrorCode"] == NONE, odd)
    wide = beat("wide modern", SubscribedTopicNames=[f"topic-number-{i}" for i in range(10000)])
    case("10,000 topics may be subscribed to", wide["ErrorCode"] == NONE, wide)
    for name, regex in (("that backtracks", "(.*a){20}x?y?!?"), ("nested", "((t+)+)+!"),
                        ("of 30 KB", "(t|" + "u" * 30000 + ")")):
        begin = time.monotonic()
        answer = beat(f"expression {name}", SubscribedTopicNames=None, SubscribedTopicRegex=regex)
        took = time.monotonic() - begin
        case(f"an expression {name} is taken or refused", answer != CLOSED, answer)
        case(f"in bounded time: {name}", took < 10, took)
    works("members of the consumer protocol")


def hang_up():
    """Joins that wait, and whose clients go away."""
    body = encode("JoinGroup", 3, dict(GroupId="deserted", SessionTimeoutMs=6000, MemberId="",
                                       RebalanceTimeoutMs=60000, ProtocolType="consumer",
                                       Protocols=[{"Name": "range", "Metadata": b"x" * 1000}]))
    payload = struct.pack(">hhih", 11, 3, 1, 4) + b"test" + body
    host, _, port = ADDRESS.rpartition(":")
    first = join("deserted")
    sync("deserted", first["MemberId"])
    before = resident_mb()
    for _ in range(500):
        with socket.create_connection((host, int(port)), 10) as one:
            one.sendall(struct.pack(">i", len(payload)) + payload)
    until = time.monotonic() + 3  # their time is up after 6 s
    while time.monotonic() < until:
        described = ask("DescribeGroups", 5, Groups=["deserted"])["Groups"][0]
        if len(described["Members"]) == 501:
            break
        time.sleep(0.05)
    grown = resident_mb() - before
    case("500 joins whose clients hung up take little memory", grown < 24, grown)
    case("they are members, until their time is up", len(described["Members"]) == 501,
         len(described["Members"]))
    works("clients that hung up")


warm_up()
for name, does in (("odd names", names), ("large members", large), ("a topic that goes", gone),
                   ("a crowd", crowd), ("members of the consumer protocol", modern),
                   ("clients that hang up", hang_up)):
    with beside(ADDRESS, "t", name):
        does()
sys.exit(bystander.failed > 0)
