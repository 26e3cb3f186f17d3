using Commander.Judging.Policies;

namespace Commander.Judging.Tests.Policies;

public class PolicyErrorTests
{
    private const string Source = "sources: { prom: { type: prometheus, url: 'http://localhost:9090' } }\n";

    /// <summary>What is written, and the one line that comes back.</summary>
    public static TheoryData<string, string> Wrong => new()
    {
        // Durations, percentages, quantities.
        { "services: { s: { watch: { step: 15 parsecs } } }", "policy.yaml:1:33 services.s.watch.step: '15 parsecs' is no duration; write 15s, 2m, 6h" },
        { "services: { s: { watch: { step: -1s } } }", "policy.yaml:1:33 services.s.watch.step: '-1s' is no duration; write 15s, 2m, 6h" },
        { "services: { s: { watch: { step: 1ms } } }", "policy.yaml:1:33 services.s.watch.step: 1ms is out of range; write 100ms to 10m" },
        { "services: { s: { watch: { lag: 2h } } }", "policy.yaml:1:32 services.s.watch.lag: 2h is out of range; write 0s to 1h" },
        { "services: { s: { watch: { share: 100% } } }", "policy.yaml:1:34 services.s.watch.share: '100%' is out of range; write more than 0% and less than 100%, such as 10%" },
        { "services: { s: { decide: { false_alarms: much } } }", "policy.yaml:1:42 services.s.decide.false_alarms: 'much' is no percentage; write 1%" },
        { "services: { s: { decide: { false_alarms: 0% } } }", "policy.yaml:1:42 services.s.decide.false_alarms: '0%' is out of range; write more than 0% and less than 100%, such as 1%" },
        { "services: { s: { decide: { false_alarms: 100% } } }", "policy.yaml:1:42 services.s.decide.false_alarms: '100%' is out of range; write more than 0% and less than 100%, such as 1%" },
        { "services: { s: { decide: { cost: { missed: 0 } } } }", "policy.yaml:1:44 services.s.decide.cost.missed: '0' is out of range; write a number above 0 and at most 1000000, such as 9" },
        { "services: { s: { decide: { cost: { missed: lots } } } }", "policy.yaml:1:44 services.s.decide.cost.missed: 'lots' is no number; write 9" },
        { "services: { s: { learn: { explore: 6% } } }", "policy.yaml:1:36 services.s.learn.explore: '6%' is out of range; write 0% to 5%" },
        { "services: { s: { act: { max_per_hour: 1.5 } } }", "policy.yaml:1:39 services.s.act.max_per_hour: is no whole number; write 3, or off" },
        { Metric("kind: ratio, bad: 'a', total: 'b', tolerance: 0pp"), "policy.yaml:2:94 services.s.metrics.m.tolerance: '0pp' is not above 0; write 1pp (percentage points) or 20% (of the reference)" },
        { Metric("kind: ratio, bad: 'a', total: 'b', tolerance: 25ms"), "policy.yaml:2:94 services.s.metrics.m.tolerance: '25ms' is no tolerance of a metric in %; write 1pp (percentage points) or 20% (of the reference)" },
        { Metric("kind: histogram, query: 'x_seconds_bucket', floor: 25MB"), "policy.yaml:2:99 services.s.metrics.m.floor: '25MB' is no amount in ms; write 25ms" },
        { Metric("kind: histogram, query: 'x_seconds_bucket', floor: 25"), "policy.yaml:2:99 services.s.metrics.m.floor: '25' is no amount in ms; write 25ms" },
        { Metric("kind: histogram, query: 'x_seconds_bucket', quantile: 1"), "policy.yaml:2:102 services.s.metrics.m.quantile: '1' is out of range; write a number above 0 and at most 0.9999, such as 0.95" },
        { Metric("kind: histogram, query: 'x_seconds_bucket', quantile: 95"), "policy.yaml:2:102 services.s.metrics.m.quantile: '95' is out of range; write a number above 0 and at most 0.9999, such as 0.95" },

        { Metric("kind: histogram, query: 'x_seconds_bucket', floor: -25ms"), "policy.yaml:2:99 services.s.metrics.m.floor: '-25ms' is out of range; write 0 or more" },
        { Metric("kind: gauge, query: 'x', floor: lots"), "policy.yaml:2:80 services.s.metrics.m.floor: 'lots' is no amount in numbers; write 10" },
        { Metric("kind: gauge, query: 'x', tolerance: lots"), "policy.yaml:2:84 services.s.metrics.m.tolerance: 'lots' is no tolerance of a metric in numbers; write 20% (of the reference) or 10" },
        { "services: { s: { decide: { cost: { false_rollback: x } } } }", "policy.yaml:1:52 services.s.decide.cost.false_rollback: 'x' is no number; write 1" },
        { "services: { s: { watch: { share: x } } }", "policy.yaml:1:34 services.s.watch.share: 'x' is no percentage; write 10%" },

        // Keys.
        { "service: {}", "policy.yaml:1:1 service: is no key here; did you mean services?" },
        { "services: { s: { wach: { step: 1s } } }", "policy.yaml:1:18 services.s.wach: is no key here; did you mean watch?" },
        { "services: { s: { watch: { stpe: 1s } } }", "policy.yaml:1:27 services.s.watch.stpe: is no key here; did you mean step?" },
        { "services: { s: { decide: { zzz: 1 } } }", "policy.yaml:1:28 services.s.decide.zzz: is no key here; known are false_alarms, cost, reasoning" },
        { "services: { s: { watch: { step: 1s, step: 2s } } }", "policy.yaml:1:37 services.s.watch.step: stands twice; the first one is on line 1; remove one of the two" },
        { "services: { s: { watch: { warmup: { latenzy: 2s } } } }", "policy.yaml:1:37 services.s.watch.warmup.latenzy: is no key here; did you mean latency?" },
        { "services: { s: { environments: { staging: { environments: {} } } } }", "policy.yaml:1:45 services.s.environments.staging.environments: is no key here; known are source, preset, metrics, compare, no_data, watch, decide, act, fix, alert, learn, logs, changes" },

        // Types.
        { "services: { s: { environments: { staging: yes } } }", "policy.yaml:1:43 services.s.environments.staging: is a text, not a map; write { act: { autonomy: observe } }" },
        { "- a\n- b", "policy.yaml:1:1 the file is a list, not a map; begin with sources:, defaults: or services:" },
        { "services: [a]", "policy.yaml:1:11 services: is a list, not a map; write services: { ... }" },
        { "services: { s: yes }", "policy.yaml:1:16 services.s: is a text, not a map; write s: { source: NAME, metrics: { ... } }" },
        { "services: { s: { watch: [1] } }", "policy.yaml:1:25 services.s.watch: is a list, not a map; write watch: { ... }" },
        { "services: { s: { watch: { step: { a: b } } } }", "policy.yaml:1:33 services.s.watch.step: is a map, not a text; write 15s, 2m, 6h" },
        { "services: { s: { watch: { step: } } }", "policy.yaml:1:33 services.s.watch.step: has no value; write 15s, 2m, 6h, or remove the key" },
        { "services: { s: { watch: { expect_traffic: maybe } } }", "policy.yaml:1:43 services.s.watch.expect_traffic: 'maybe' is neither true nor false; write true or false" },
        { "services: { s: { act: { irreversible: migration } } }", "policy.yaml:1:39 services.s.act.irreversible: is a text, not a list; write irreversible: [migration]" },
        { "services: { s: { alert: { slack: '#a' } } }", "policy.yaml:1:25 services.s.alert: is a map, not a list; write alert: [ { slack: '#deploys', on: [rollback, hold] } ]" },

        // Words.
        { "services: { s: { watch: { on_hold: wait } } }", "policy.yaml:1:36 services.s.watch.on_hold: 'wait' is not known; write one of page, continue, rollback" },
        { "services: { s: { decide: { reasoning: always } } }", "policy.yaml:1:39 services.s.decide.reasoning: 'always' is not known; write one of off, explain, advise, decide" },
        { "sources: { shop: { type: scrape, targets: { candidate: 'http://h/m' } } }\nservices: { s: { source: shop, compare: seasonal } }", "policy.yaml:2:41 services.s.compare: seasonal needs another day's values, and 'shop' is a scrape, which keeps no history; write compare: auto, or name a source of type prometheus" },
        { "services: { s: { compare: controll } }", "policy.yaml:1:27 services.s.compare: 'controll' is not known; did you mean control? known are auto, control, before, seasonal" },
        { "services: { s: { act: { autonomy: yolo } } }", "policy.yaml:1:35 services.s.act.autonomy: 'yolo' is not known; write one of observe, recommend, enforce" },
        { "services: { s: { preset: htp } }", "policy.yaml:1:26 services.s.preset: 'htp' is not known; did you mean http? known are http, kubernetes-pod, dotnet, jvm, node" },
        { "services: { s: { alert: [ { slack: '#a', on: [rolback] } ] } }", "policy.yaml:1:47 services.s.alert[0].on[0]: 'rolback' is not known; did you mean rollback? known are rollback, hold, continue, outcome, failed, system" },
        { "services: { s: { alert: [ { on: [hold] } ] } }", "policy.yaml:1:27 services.s.alert[0]: names no channel; write one of slack, pagerduty, teams, discord, email, webhook, github, grafana an entry, such as { slack: '#deploys', on: [rollback, hold] }" },

        // Sources and targets.
        { "services: { s: { source: prom } }", "policy.yaml:1:26 services.s.source: there is no source 'prom'; write sources: { prom: { type: prometheus, url: http://localhost:9090 } }" },
        { Source + "services: { s: { source: pron } }", "policy.yaml:2:26 services.s.source: there is no source 'pron'; did you mean prom?" },
        { "sources: { p: { url: 'http://a' } }", "policy.yaml:1:15 sources.p.type: is missing; write one of prometheus, scrape, datadog, cloudwatch, json" },
        { "sources: { p: { type: promethius, url: 'http://a' } }", "policy.yaml:1:23 sources.p.type: 'promethius' is not known; did you mean prometheus? known are prometheus, scrape, datadog, cloudwatch, json" },
        { "sources: { p: { type: prometheus } }", "policy.yaml:1:15 sources.p.url: is missing, and type prometheus needs it; write url: http://localhost:9090" },
        { "sources: { p: { type: prometheus, url: localhost } }", "policy.yaml:1:40 sources.p.url: 'localhost' is no http or https address; write http://localhost:9090" },
        { "sources: { p: { type: prometheus, url: 'http://me:pw@a' } }", "policy.yaml:1:40 sources.p.url: a user or password must not stand in an address; write it without, and use token or username and password" },
        { "sources: { p: { type: prometheus, url: 'http://${HOST}/' } }", "policy.yaml:1:40 sources.p.url: nothing is expanded here: only secrets may be ${COMMANDER_SECRET_NAME}; write http://localhost:9090" },
        { "sources: { p: { type: prometheus, url: 'http://a', token: hunter2 } }", "policy.yaml:1:59 sources.p.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { "sources: { p: { type: prometheus, url: 'http://a', token: 'file:../etc/passwd' } }", "policy.yaml:1:59 sources.p.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { "sources: { p: { type: prometheus, url: 'http://a', token: '${HOME}' } }", "policy.yaml:1:59 sources.p.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { "sources: { p: { type: scrape, targets: { control: 'http://a' } } }", "policy.yaml:1:40 sources.p.targets.candidate: is missing, and type scrape needs it; write candidate: http://new:8080/metrics" },
        { "services: { s: { act: { rollback: { type: command, run: [undo], state: [] } } } }", "policy.yaml:1:72 services.s.act.rollback.state: names no program; write state: [PROGRAM, ARGUMENT], or remove the key" },
        { "services: { s: { act: { rollback: { type: kubernetes, namespace: shop } } } }", "policy.yaml:1:35 services.s.act.rollback.deployment: is missing, and type kubernetes needs a workload; write deployment: checkout, or statefulset: or daemonset:" },
        { "services: { s: { act: { rollback: { type: kubernetes, namespace: shop, deployment: a, daemonset: b } } } }", "policy.yaml:1:98 services.s.act.rollback.daemonset: is a second workload beside deployment; write one of deployment, statefulset, daemonset" },
        { "services: { s: { act: { rollback: { type: kubernetes, namespace: shop, daemonset: a, server: 'https://c', context: p } } } }", "policy.yaml:1:116 services.s.act.rollback.context: stands beside server, and only one of them can lead to the cluster; remove context or server" },
        { "services: { s: { act: { rollback: { type: kubernetes, namespace: shop, statefulset: a, token: 'file:t' } } } }", "policy.yaml:1:95 services.s.act.rollback.token: belongs to a server, and there is none; write server: https://cluster:6443, or remove it" },
        { "services: { s: { act: { rollback: { type: kubernetes, namespace: shop, deployment: a, server: 'http://c', token: 'file:t' } } } }", "policy.yaml:1:95 services.s.act.rollback.server: http would send the token in the clear; write https://" },
        { "services: { s: { act: { rollback: { type: command } } } }", "policy.yaml:1:35 services.s.act.rollback.run: is missing, and type command needs it; write run: [PROGRAM, ARGUMENT]" },
        { "services: { s: { fix: { agent: cline } } }", "policy.yaml:1:23 services.s.fix.repository: is missing, and a fix needs it; write repository: acme/checkout" },

        // Logs and changes.
        { "services: { s: { logs: yes } }", "policy.yaml:1:24 services.s.logs: is a text, not a map; write logs: { type: loki, ... }, or off" },
        { "services: { s: { logs: {} } }", "policy.yaml:1:24 services.s.logs.type: is missing; write one of loki, elasticsearch, kubernetes" },
        { "services: { s: { logs: { type: lokki } } }", "policy.yaml:1:32 services.s.logs.type: 'lokki' is not known; did you mean loki? known are loki, elasticsearch, kubernetes" },
        { "services: { s: { changes: { type: githab } } }", "policy.yaml:1:35 services.s.changes.type: 'githab' is not known; did you mean github? known are github, gitlab, git" },
        { "services: { s: { logs: { type: loki, url: 'http://l' } } }", "policy.yaml:1:24 services.s.logs.query: is missing, and type loki needs it; write query: '{service=\"{{service}}\",version=\"{{version}}\"}'" },
        { Logs("type: loki, url: 'http://l', tennant: a, query: '{a=\"b\"}'"), "policy.yaml:1:55 services.s.logs.tennant: is no key here; did you mean tenant?" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"b\"'"), "policy.yaml:1:62 services.s.logs.query: { is opened or closed without its counterpart; check quotes and braces" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"{{verson}}\"}'"), "policy.yaml:1:62 services.s.logs.query: {{verson}} is no variable; did you mean {{version}}?" },
        { Logs("type: loki, url: 'http://l', query: '{a=`{{version}}`}'"), "policy.yaml:1:62 services.s.logs.query: {{version}} stands outside of double quotes; write it as a label's value: label=\"{{version}}\"" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"b\"}', token: hunter2"), "policy.yaml:1:80 services.s.logs.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"b\"}', token: 'file:t', username: u, password: 'file:p'"), "policy.yaml:1:100 services.s.logs.username: stands beside token, and a request carries only one of them; remove token or username" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"b\"}', username: u"), "policy.yaml:1:83 services.s.logs.username: stands without a password; write password: ${COMMANDER_SECRET_NAME}" },
        { Logs("type: loki, url: 'http://l', query: '{a=\"b\"}', tenant: 'a\u00e9'"), "policy.yaml:1:81 services.s.logs.tenant: 'a\u00e9' cannot stand in a header; write shop" },
        { Logs("type: elasticsearch, url: 'http://e', index: '../x', query: 'a:b'"), "policy.yaml:1:71 services.s.logs.index: '../x' is no name of an index; write 'logs-*'" },
        { Logs("type: elasticsearch, url: 'http://e', index: a, query: 'v:{{version}}'"), "policy.yaml:1:81 services.s.logs.query: {{version}} stands outside of double quotes; write it as a phrase: field:\"{{version}}\"" },
        { Logs("type: elasticsearch, url: 'http://e', index: a, query: 'v:/\"{{version}}\"/'"), "policy.yaml:1:81 services.s.logs.query: {{version}} stands outside of double quotes; write it as a phrase: field:\"{{version}}\"" },
        { Logs("type: elasticsearch, url: 'http://e', index: a, query: 'v:\"a'"), "policy.yaml:1:81 services.s.logs.query: \" is opened or closed without its counterpart; check quotes and braces" },
        { Logs("type: elasticsearch, url: 'http://e', index: a, query: 'a:b', message_field: 'a b'"), "policy.yaml:1:103 services.s.logs.message_field: 'a b' is no name of a field; write message" },
        { Logs("type: kubernetes, namespace: shop, selector: 'app=a;b'"), "policy.yaml:1:71 services.s.logs.selector: 'app=a;b' is no label selector; write app=checkout,version={{version}}" },
        { Logs("type: kubernetes, namespace: shop, selector: a, token: 'file:t'"), "policy.yaml:1:81 services.s.logs.token: belongs to a server, and there is none; write server: https://cluster:6443, or remove it" },
        { "services: { s: { changes: { type: github, repository: checkout } } }", "policy.yaml:1:55 services.s.changes.repository: 'checkout' is no repository; write acme/checkout" },
        { "services: { s: { changes: { type: github, tag: 'v' } } }", "policy.yaml:1:48 services.s.changes.tag: 'v' is one tag for all versions; write 'v{{version}}'" },
        { "services: { s: { changes: { type: gitlab, tag: 'v {{version}}' } } }", "policy.yaml:1:48 services.s.changes.tag: 'v {{version}}' is no name of a tag; write 'v{{version}}'" },
        { "services: { s: { changes: { type: git } } }", "policy.yaml:1:27 services.s.changes.path: is missing, and type git needs it; write path: /srv/git/checkout.git" },
        { "services: { a/b: {} }", "policy.yaml:1:13 services.a/b: 'a/b' is no name of a service; write 1 to 100 characters without / and *" },

        { Source + "services: { s: { source: zzzzzzz } }", "policy.yaml:2:26 services.s.source: there is no source 'zzzzzzz'; known are prom" },
        { "sources: { p: { type: prometheus, url: 'http://a', token: 'file:a//b' } }", "policy.yaml:1:59 sources.p.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { "sources: { p: { type: prometheus, url: 'http://a', token: 'file:./b' } }", "policy.yaml:1:59 sources.p.token: a secret must not stand in a policy; write ${COMMANDER_SECRET_NAME}, or file:PATH below the secrets folder" },
        { "sources: { p: { type: prometheus, url: 'http://a', headers: { Host: b } } }", "policy.yaml:1:63 sources.p.headers.Host: 'Host' belongs to how a request is sent; leave it out; the address says which server is asked" },
        { "services: { s: { act: { rollback: { type: webhook, url: 'http://a', run: [x] } } } }", "policy.yaml:1:69 services.s.act.rollback.run: is no key here; known are type, url, secret, timeout" },
        { "services: { s: { act: { rollback: { type: command, run: [a], timeout: 1h } } } }", "policy.yaml:1:71 services.s.act.rollback.timeout: 1h is out of range; write 1s to 30m" },

        // Metrics and queries.
        { Source + "services: { s: { source: prom, metrics: { 'a b': { kind: gauge, query: 'x' } } } }", "policy.yaml:2:43 services.s.metrics.a b: 'a b' is no name of a metric; write letters, digits, _ and -, such as error_rate" },
        { Metric("query: 'x'"), "policy.yaml:2:46 services.s.metrics.m.kind: is missing; write kind: ratio or histogram or gauge or count" },
        { Metric("kind: ratio, total: 'b'"), "policy.yaml:2:46 services.s.metrics.m.bad: is missing, and a ratio needs it; write bad: 'http_requests_total{version=\"{{version}}\"}'" },
        { Metric("kind: gauge"), "policy.yaml:2:46 services.s.metrics.m.query: is missing, and a gauge needs it; write query: 'http_requests_total{version=\"{{version}}\"}'" },
        { Metric("kind: ratio, bad: 'a', total: 'b', query: 'c'"), "policy.yaml:2:90 services.s.metrics.m.query: a ratio has no query; write bad: and total:" },
        { Metric("kind: gauge, query: 'a', bad: 'c'"), "policy.yaml:2:78 services.s.metrics.m.bad: belongs to a ratio, and this is a gauge; write query:" },
        { Metric("kind: gauge, query: 'a', quantile: 0.5"), "policy.yaml:2:83 services.s.metrics.m.quantile: belongs to a histogram, and this is a gauge; remove it" },
        { Metric("kind: gauge, query: 'a{v=\"{{vresion}}\"}'"), "policy.yaml:2:68 services.s.metrics.m.query: {{vresion}} is no variable; did you mean {{version}}?" },
        { Metric("kind: gauge, query: 'a{v={{version}}}'"), "policy.yaml:2:68 services.s.metrics.m.query: {{version}} stands outside of quotes; write it as a label's value: label=\"{{version}}\"" },
        { Metric("kind: gauge, query: 'a{v=\"{{version\"}'"), "policy.yaml:2:68 services.s.metrics.m.query: {{ is opened or closed without its counterpart; check the query's quotes and braces" },
        { Metric("kind: gauge, query: 'a{v=\"x}'"), "policy.yaml:2:68 services.s.metrics.m.query: \" is opened or closed without its counterpart; check the query's quotes and braces" },
        { Metric("kind: count, query: 'rate(a[1m])'"), "policy.yaml:2:68 services.s.metrics.m.query: rate() gives no whole counts, and a count is judged by them; write the counter without it, or kind: gauge with window:" },
        { Metric("kind: gauge, query: 'sum(rate(a[1m]))'"), "policy.yaml:2:46 services.s.metrics.m.window: is missing, and rate() looks back; write window: 1m, the query's range, at least two scrapes" },
        { Metric("kind: ratio, bad: 'a', total: 'b', unit: ms"), "policy.yaml:2:89 services.s.metrics.m.unit: a ratio is shown in percent; remove it" },
        { "services: { s: { metrics: { m: { kind: gauge, query: 'a' } } } }", "policy.yaml:1:54 services.s.metrics.m.query: there is a query but no source to ask; write source: NAME, and the source's address under sources:" },
        { "services: { s: { metrics: { m: { kind: gauge } } } }", "policy.yaml:1:32 services.s.metrics.m: has neither a query nor an objective; name a source and write the query, or write objective: for services that send a snapshot of metrics" },
        { "sources: { p: { type: scrape, targets: { candidate: 'http://a' } } }\nservices: { s: { source: p, metrics: { m: { kind: gauge, query: 'sum(a)' } } } }", "policy.yaml:2:65 services.s.metrics.m.query: sum() cannot be asked of a scrape; write a selector: name{label=\"value\"}" },

        // Order of durations.
        { "services: { s: { watch: { min: 40m } } }", "policy.yaml:1:32 services.s.watch.min: min 40m is longer than max 30m (the default); write min: 30m or less, or max: 40m or more" },
        { "services: { s: { watch: { max: 1m } } }", "policy.yaml:1:32 services.s.watch.max: min 2m (the default) is longer than max 1m; write min: 1m or less, or max: 2m or more" },
        { "services: { s: { watch: { step: 3m } } }", "policy.yaml:1:33 services.s.watch.step: step 3m is longer than min 2m (the default); write step: 2m or less, or min: 3m or more" },

        { "services: { s: { watch: { step: never, min: 1s } } }", "policy.yaml:1:33 services.s.watch.step: 'never' is no duration; write 15s, 2m, 6h" },

        // YAML that is not taken.
        { "services: { s: &a { compare: auto } }", "policy.yaml:1:16 services.s: anchors are not read; remove the &name; what services share goes under defaults" },
        { "services: { s: *a }", "policy.yaml:1:16 services.s: aliases are not read; write the value out, or put it under defaults" },
        { "services: { s: !!map {} }", "policy.yaml:1:16 services.s: tags are not read; remove the !tag" },
        { "services: {}\n---\nservices: {}", "policy.yaml:2:1 a second document begins; write one document a file, and remove the line ---" },
        { "? [a]\n: b", "policy.yaml:1:3 a key is a list, a map or an alias; write a word before the colon" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Every_error_names_line_column_key_and_remedy(string yaml, string line)
    {
        var result = PolicyReader.Read(yaml, "policy.yaml");
        result.Policies.ShouldBeNull();
        string.Join('\n', result.Errors).ShouldBe(line);
    }

    [Fact]
    public void All_errors_come_at_once_in_the_order_of_the_file_and_each_once()
    {
        var result = PolicyReader.Read("""
            defaults:
              watch: { step: soon }
            services:
              a:
                compre: auto
                source: none
              b:
                act: { autonomy: full }
                environments: { staging: { learn: { explore: 50% } } }
            """, "p.yaml");
        result.Errors.Select(error => $"{error.Line} {error.Key}").ShouldBe(
        [
            "2 defaults.watch.step",
            "5 services.a.compre",
            "6 services.a.source",
            "8 services.b.act.autonomy",
            "9 services.b.environments.staging.learn.explore",
        ]);
    }

    [Fact]
    public void A_folders_files_are_one_policy_and_what_stands_twice_is_named()
    {
        PolicyFile[] good =
        [
            new("a.yaml", "services: { a: { source: prom } }"),
            new("b.yaml", Source + "defaults: { compare: before }"),
            new("c.yaml", "# empty"),
        ];
        var policies = PolicyReader.Read(good).Policies.ShouldNotBeNull();
        policies.For("a", "prod").Compare.ShouldBe(Compare.Before);
        policies.For("a", "prod").Source.ShouldBe("prom");

        PolicyFile[] bad = [.. good, new("d.yaml", "services:\n  a: {}\n  b: { compare: never }\ndefaults: { compare: auto }"), new("e.yaml", "- x")];
        PolicyReader.Read(bad).Errors.Select(error => error.ToString()).ShouldBe(
        [
            "d.yaml:2:3 services.a: stands in a.yaml on line 1 too; remove one of the two",
            "d.yaml:3:17 services.b.compare: 'never' is not known; write one of auto, control, before, seasonal",
            "d.yaml:4:11 defaults: stands in b.yaml too; write defaults into one file of the folder",
            "e.yaml:1:1 the file is a list, not a map; begin with sources:, defaults: or services:",
        ]);
    }

    [Fact]
    public void A_syntax_error_says_where()
    {
        var error = PolicyReader.Read("services:\n  a: [1, 2\n  b: x\n", "p.yaml").Errors.ShouldHaveSingleItem();
        error.Line.ShouldBeGreaterThan(1);
        error.Message.ShouldStartWith("is no YAML: ");
        error.ToString().ShouldStartWith($"p.yaml:{error.Line}:{error.Column} is no YAML");
    }

    [Fact]
    public void Seventeen_metrics_are_too_many()
    {
        var metrics = string.Join(", ", Enumerable.Range(0, 17).Select(i => $"m{i}: {{ kind: gauge, query: 'x' }}"));
        var result = PolicyReader.Read(Source + $"services: {{ s: {{ source: prom, metrics: {{ {metrics} }} }} }}", "p.yaml");
        result.Errors.ShouldHaveSingleItem().ToString().ShouldBe(
            "p.yaml:2:41 services.s.metrics: has more than 16 metrics; keep the ones that a rollback would be decided by");
    }

    [Fact]
    public void A_file_of_more_than_a_mebibyte_is_refused() =>
        PolicyReader.Read(new string('#', (1 << 20) + 1), "p.yaml").Errors.ShouldHaveSingleItem().Message.ShouldBe("the file is longer than 1 MiB");

    [Fact]
    public void Depth_is_bounded()
    {
        var result = PolicyReader.Read(new string('[', 100_000), "p.yaml");
        result.Errors.ShouldNotBeEmpty();
        PolicyReader.Read("a: " + new string('[', 30) + new string(']', 30), "p.yaml").Errors.ShouldContain(error => error.Message == "is nested deeper than 12 levels");
    }

    [Fact]
    public void Size_is_bounded() =>
        PolicyReader.Read("a: [" + string.Concat(Enumerable.Repeat("1,", 200_000)) + "1]", "p.yaml").Errors
            .ShouldContain(error => error.Message == "the file has more than 100000 values");

    [Fact]
    public void More_than_two_hundred_errors_are_cut_and_said()
    {
        var keys = string.Join(", ", Enumerable.Range(0, 500).Select(i => $"k{i}: 1"));
        var errors = PolicyReader.Read("{ " + keys + " }", "p.yaml").Errors;
        errors.Count.ShouldBe(201);
        errors[^1].Message.ShouldBe("there are more than 200 errors");
    }

    [Fact]
    public void An_error_stays_on_one_line_whatever_the_file_says()
    {
        var result = PolicyReader.Read("services: { s: { compare: \"a\\nb\\e[31m" + new string('x', 500) + "\" } }", "p.yaml");
        var text = result.Errors.ShouldHaveSingleItem().ToString();
        text.ShouldNotContain('\n');
        text.ShouldNotContain('\u001b');
        text.Length.ShouldBeLessThan(250);
    }

    private static string Logs(string settings) => "services: { s: { logs: { " + settings + " } } }";

    private static string Metric(string metric) => Source + $"services: {{ s: {{ source: prom, metrics: {{ m: {{ {metric} }} }} }} }}";
}
