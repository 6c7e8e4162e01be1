# tests/lib/twins.sh - how a broker is set up that tests/e2e/twins.py asks: nothing comes of time alone.
twin_settings=(auto.create.topics.enable=false log.retention.ms=-1 offsets.topic.num.partitions=4
    group.initial.rebalance.delay.ms=0 group.coordinator.append.linger.ms=0
    group.consumer.assignment.interval.ms=0 group.consumer.min.assignment.interval.ms=0
    group.consumer.max.session.timeout.ms=600000 group.consumer.session.timeout.ms=600000
    group.consumer.assignors=range,uniform # range does not go by the order of a hash map, as uniform does in Kafka
    klamm.flush.before.ack=none)
