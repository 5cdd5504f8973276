// SPDX-License-Identifier: Apache-2.0
// What `sluice explain` walks through: one request, or one mail, that never happens. One class, whose stages are in several files.
#pragma once

#include "app/command_line.h"
#include "app/loaded.h"
#include "base/ip.h"
#include "base/name_value.h"
#include "base/url.h"
#include "policy/policy.h"
#include "protocols/smtp/envelope.h"

#include <cstdint>
#include <deque>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::app {

class Explainer {
public:
    Explainer(const Loaded& loaded, const ExplainOptions& options, std::ostream& err) : loaded_(loaded), options_(options), err_(err) {}

    bool run();                                            // false: the options make no request; said on err
    void print_text(std::ostream& out) const;
    void print_json(std::ostream& out) const;

private:
    struct Step {
        std::string title;                                 // "connect", "dial 192.0.2.1"
        std::vector<policy::RuleTrace> rules;
        std::string note;                                  // what was not a rule's doing
    };
    struct Verdict {
        std::string action = "allow";
        std::string by = "default";                        // "rule", "builtin", "setting", "default"
        std::string name;                                  // of the rule, the built-in check or the key
        std::string phase;
        std::string reason;
        Place place;
    };

    bool read_options();
    bool read_mail_options();
    void set_common_facts(policy::Facts& facts, const std::vector<IpPort>& listeners);
    void set_server_facts(policy::Facts& facts);
    void set_country(policy::Facts& facts, policy::Field field, const IpAddress& address) const;
    void explain_http();
    void explain_inside(policy::Facts& facts);
    void explain_payloads(policy::Facts& facts);
    void explain_ftp();
    bool explain_command(policy::Facts& facts, std::string_view command);
    bool is_client();
    void explain_mail();
    bool say_hello(policy::Facts& facts);
    bool open_upstream(policy::Facts& facts);
    std::vector<std::string_view> judge_recipients(policy::Facts& facts);
    bool may_relay(const smtp::Path& recipient) const;
    void explain_message(policy::Facts& facts);
    void set_mail_fields(policy::Facts& facts);
    // Adds the step and says whether the walk goes on.
    bool judge(policy::Phase phase, policy::Protocol protocol, policy::Facts& facts, std::string title);
    void dial(policy::Protocol protocol, policy::Facts& facts);
    bool read_file_options();
    void set_file_facts(policy::Facts& facts) const;
    static void clear_file_facts(policy::Facts& facts);
    bool payload(policy::Protocol protocol, policy::Facts& facts, std::string_view direction, bool has_file);
    void refuse_by_setting(std::string key, std::string reason);
    void apply_default();
    bool is_refused() const { return verdict_ && verdict_->action != "allow" && verdict_->action != "trust"; }
    const policy::Policy& policy() const { return *loaded_.policy; }

    const Loaded& loaded_;
    const ExplainOptions& options_;
    std::ostream& err_;
    Url url_;
    std::vector<smtp::Path> recipients_;                   // of mailto:
    std::string full_;
    IpAddress client_;
    std::vector<IpAddress> servers_;
    std::string file_name_, file_extension_;               // of --file
    std::int64_t file_size_ = 0;
    std::deque<std::string> texts_;                        // what facts are views of
    std::vector<NameValue> headers_;
    std::vector<Step> steps_;
    std::optional<Verdict> verdict_;
    bool trusted_ = false;
    bool allowed_ = false;                                 // by a rule, so that [policy] default does not count
    std::optional<policy::Action> plan_;                   // intercept or tunnel: what a rule says, or [tls] intercept
};

}  // namespace sluice::app
