// SPDX-License-Identifier: Apache-2.0
// Random policies: what the indexes and candidates make of a condition must be what its words say.
#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

struct World {
    std::optional<std::string> path, domain, agent;
    std::vector<std::string> header;
    std::optional<int> port;
    std::optional<std::string> client;
};

using Truth = std::function<bool(const World&)>;
struct Condition {
    std::string text;
    Truth truth;
};

class Maker {
public:
    explicit Maker(unsigned seed) : random_(seed) {}

    Condition condition(int depth) {
        const auto kind = depth == 0 ? 9 : pick(10);
        if (kind < 4) {
            Condition out = condition(depth - 1);
            const bool every = kind < 2;
            for (std::size_t i = 1 + pick(2); i > 0; --i) {
                Condition next = condition(depth - 1);
                out.text += (every ? " and " : " or ") + next.text;
                out.truth = [a = out.truth, b = next.truth, every](const World& world) {
                    return every ? a(world) && b(world) : a(world) || b(world);
                };
            }
            out.text = "(" + out.text + ")";
            return out;
        }
        if (kind < 6) {
            Condition inner = condition(depth - 1);
            return {"not " + inner.text, [truth = inner.truth](const World& world) { return !truth(world); }};
        }
        return leaf();
    }

    World world() {
        World world;
        if (pick(8) != 0) world.path = text();
        if (pick(8) != 0) world.domain = domain();
        if (pick(3) != 0) world.agent = text();
        for (std::size_t i = pick(3); i > 0; --i) world.header.push_back(text());
        if (pick(4) != 0) world.port = static_cast<int>(pick(6));
        if (pick(4) != 0) world.client = "10.0." + std::to_string(pick(3)) + "." + std::to_string(pick(3));
        return world;
    }

private:
    std::size_t pick(std::size_t below) { return random_() % below; }
    std::string text() {
        std::string out(pick(9), 'a');
        for (char& c : out) c = "abA/"[pick(4)];
        return out;
    }
    std::string domain() {
        std::string out = std::string(1, "ab"[pick(2)]) + ".test";
        for (std::size_t i = pick(3); i > 0; --i) out = std::string(1, "ab"[pick(2)]) + "." + out;
        return out;
    }

    Condition leaf() {
        const std::string value = text();
        const auto of_values = [&](std::string subject, auto values, bool all) -> Condition {
            using Test = std::function<bool(const std::string&)>;
            Test test;
            std::string op;
            switch (pick(6)) {
                case 0:
                    op = "==";
                    test = [value](const std::string& v) { return v == value; };
                    break;
                case 1:
                    op = "contains";
                    test = [value](const std::string& v) { return v.contains(value); };
                    break;
                case 2:
                    op = "starts_with";
                    test = [value](const std::string& v) { return v.starts_with(value); };
                    break;
                case 3:
                    op = "ends_with";
                    test = [value](const std::string& v) { return v.ends_with(value); };
                    break;
                case 4:
                    op = "matches";
                    test = [value](const std::string& v) { return v.contains(value); };
                    break;
                default: op = "!="; test = [value](const std::string& v) { return v == value; };
            }
            const bool negated = op == "!=";
            return {subject + " " + op + " '" + value + "'", [=](const World& world) {
                        const std::vector<std::string> list = values(world);
                        const bool holds = all ? !list.empty() && std::ranges::all_of(list, test) : std::ranges::any_of(list, test);
                        return holds != negated;
                    }};
        };
        const auto one = [](const std::optional<std::string>& v) { return v ? std::vector{*v} : std::vector<std::string>{}; };
        switch (pick(9)) {
            case 0: return of_values("url.path", [one](const World& w) { return one(w.path); }, false);
            case 1: return of_values("user_agent.original", [one](const World& w) { return one(w.agent); }, false);
            case 2: return of_values("http.request.headers['X-a']", [](const World& w) { return w.header; }, false);
            case 3: return of_values("all(http.request.headers['x-A'])", [](const World& w) { return w.header; }, true);
            case 4: {
                const int port = static_cast<int>(pick(6));
                return {"url.port >= " + std::to_string(port), [port](const World& w) { return w.port && *w.port >= port; }};
            }
            case 5: {
                const std::string net = "10.0." + std::to_string(pick(3)) + ".";
                return {"client.ip in " + net + "0/24", [net](const World& w) { return w.client && w.client->starts_with(net); }};
            }
            case 6:
                return {"url.domain in @list",
                        [](const World& w) { return w.domain && (*w.domain == "a.test" || w.domain->ends_with(".a.test")); }};
            case 7: {
                const std::size_t length = pick(9);
                return {"len(url.path) == " + std::to_string(length),
                        [length](const World& w) { return w.path && w.path->size() == length; }};
            }
            default: return {"exists(http.request.headers['x-a'])", [](const World& w) { return !w.header.empty(); }};
        }
    }

    std::mt19937 random_;
};

TEST(RandomPolicy, decides_as_its_words_say) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        Maker maker(seed);
        std::vector<Condition> conditions;
        std::vector<RuleSource> rules;
        for (int i = 0; i < 70; ++i) {
            conditions.push_back(maker.condition(3));
            RuleSource source = rule("r" + std::to_string(i), conditions.back().text, "block");
            source.phase = text("response");             // one occasion, so that file order alone counts
            rules.push_back(source);
        }
        Trial trial(compile(rules, {list("list", "domain", {"a.test"}), list("other", "domain", {"b.test"})}));
        ASSERT_TRUE(trial.policy);
        for (int k = 0; k < 60; ++k) {
            const World world = maker.world();
            std::vector<NameValue> lines;
            trial.facts.clear();
            if (world.path) trial.facts.set(Field::url_path, *world.path);
            if (world.domain) trial.facts.set(Field::url_domain, *world.domain);
            if (world.agent) trial.facts.set(Field::user_agent, *world.agent);
            if (world.port) trial.facts.set(Field::url_port, *world.port);
            if (world.client) trial.facts.set(Field::client_ip, *IpAddress::parse(*world.client));
            for (const std::string& value : world.header) lines.push_back({"x-A", value});
            trial.facts.set_headers(Field::request_header, lines);
            std::uint32_t from = 0;
            for (std::uint32_t i = 0; i < conditions.size(); ++i) {
                if (!conditions[i].truth(world)) continue;
                const Decision decision = trial.judge(Phase::response, from);
                ASSERT_TRUE(decision.rule) << conditions[i].text;
                ASSERT_EQ(decision.rule->name, "r" + std::to_string(i)) << conditions[i].text << "\nor " << decision.rule->when;
                from = decision.next;
            }
            const Decision last = trial.judge(Phase::response, from);
            ASSERT_EQ(last.action, Action::none) << last.rule->when;
        }
    }
}

}  // namespace
}  // namespace sluice::policy::testing
