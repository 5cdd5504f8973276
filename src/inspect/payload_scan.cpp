// SPDX-License-Identifier: Apache-2.0
// What takes its time: payloads that went to a file, what was held and is examined at its end, engines that need the whole of it.
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "inspect/clamd/clamd.h"
#include "inspect/icap/icap_client.h"
#include "inspect/member_findings.h"
#include "inspect/payload.h"
#include "inspect/scanner/scanner_pool.h"
#include "net/timer.h"
#include "net/worker.h"

namespace sluice::inspect {

namespace {

using policy::Engine;

// So much is examined before others on the worker have their turn: some 0.1 ms.
constexpr std::size_t slice = 256 * 1024;
// Of what flows and is copied only for a quarantine.
constexpr std::uint64_t most_kept = automatic_hold;

net::Task<void> let_others_run(net::Worker& worker) {
    net::Waiter waiter;
    net::Timer timer(worker.timers(), [&] { waiter.wake(); });
    timer.set(std::chrono::milliseconds(0));
    co_await waiter.wait();
}

// Without one: there are no descriptors left.
Descriptor duplicate(const Descriptor& descriptor) { return Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0)); }

// No two different lists of values give the same text.
class KeyText {
public:
    void add(std::string_view text) {
        add(text.size());
        text_ += text;
    }
    void add(std::uint64_t number) {
        for (int i = 0; i < 8; ++i) text_ += static_cast<char>(number >> (8 * i));
    }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace

bool Payload::wants_whole() const {
    if (examination_.engines.empty() || inspection_.gave_up()) return false;
    const bool has_engine = shared_.scanners || examination_.engines.has(Engine::clamav) || examination_.engines.has(Engine::icap);
    return has_engine && (examination_.whole == policy::Whole::all || inspection_.is_risky() || examination_.has_parts());
}

// Once it is known how it is delivered; again where that changes. What has come and not gone on is in `held_` and `behind_`.
void Payload::plan_scan() {
    const bool is_held = delivery_.mode == Mode::hold;
    const bool has_all = has_all_here();
    const bool wants = wants_whole();
    if (is_held && !is_deferred_) {
        is_deferred_ = !ended_;
        examined_before_ = size_;
    }
    if (wants && !scans_) lacks_beginning_ = !has_all && !keeps_copy_;
    scans_ = wants;
    if (!is_held && !keeps_copy_ && (scans_ || (examination_.keeps_content && has_all))) copy_from_now_on();
    if ((is_deferred_ || scans_) && !is_hashing_ && has_all) {
        if (!hash_) hash_.emplace(shared_.key);
        is_hashing_ = true;
        held_.each([&](std::string_view piece) { hash_->feed(piece); });
        hash_->feed(behind_);
    }
}

// The content goes to `copy_`: what came before, which is all there, and what will come.
void Payload::copy_from_now_on() {
    keeps_copy_ = true;
    const auto copy = [this](std::string_view piece) { copy_.append(piece); };
    if (inspection_.has_coding()) {
        Decoder decoder = inspection_.another_decoder();
        held_.each([&](std::string_view piece) { decoder.push(piece, inspection_.scratch(), copy); });
        decoder.push(behind_, inspection_.scratch(), copy);
    } else {
        held_.each(copy);
        copy(behind_);
    }
    inspection_.copy_content_to(&copy_);
}

bool Payload::needs_conclusion() const {
    if (!ended_ || way_ != Way::delivering || is_concluded_ || inspection_.outcome().verdict == Verdict::infected) return false;
    return !inspection_.gave_up() && (is_deferred_ || scans_);
}

bool Payload::has_work() const {
    if (way_ != Way::passing && !ended_ && (held_.is_too_much() || copy_.is_too_much())) return true;
    return needs_conclusion() || (turns_ && !has_news()) || can_read_back();
}

net::Task<Result<void>> Payload::work(Views& out) {
    held_.forget_taken();
    if (needs_conclusion()) co_await conclude();
    else if (turns_ && !has_news()) co_await turn_to_tail();
    else if (can_read_back()) co_return co_await read_back(out);
    else co_await spill();
    co_return Result<void>{};
}

net::Task<void> Payload::spill() {
    for (Holding* holding : {&held_, &copy_})
        if (holding->is_too_much()) {
            if (holding == &copy_ && !scans_ && copy_.end() > most_kept) {
                drop_copy();
                continue;
            }
            const Reason full = co_await holding->spill();
            if (full == Reason::none) continue;
            // What only a quarantine might want is no reason not to inspect.
            if (holding == &copy_ && !scans_) drop_copy();
            else inspection_.give_up(full);
        }
}

net::Task<Result<void>> Payload::read_back(Views& out) {
    const std::uint64_t keep = way_ == Way::passing ? 0 : kept();
    const std::string_view piece = CO_TRY(co_await held_.take_stored(held_.size() - keep));
    out.push_back(piece);
    skip_trickled(out);
    if (held_.stored() > 0) co_return Result<void>{};
    // What is in memory comes behind it.
    if (way_ == Way::passing) release(out);
    else give(static_cast<std::size_t>(std::min<std::uint64_t>(keep, held_.size())), {}, false, out);
    co_return Result<void>{};
}

// What was held for its type turns out to be larger than is held: it is examined up to here, and goes on but for its end.
net::Task<void> Payload::turn_to_tail() {
    turns_ = false;
    delivery_ = {.mode = Mode::tail, .automatic = false};
    const bool had_copy = keeps_copy_;
    keeps_copy_ = had_copy || ((scans_ || examination_.keeps_content) && has_all_here());
    if (is_deferred_ || keeps_copy_) co_await catch_up(had_copy);
    is_deferred_ = false;
}

void Payload::drop_copy() {
    keeps_copy_ = false;
    inspection_.copy_content_to(nullptr);
    copy_.clear();
}

// Examines what was held unexamined, and copies the content where it is wanted apart. `has_copy`: of what was examined before there is one already.
// Places are counted from the payload's beginning.
net::Task<void> Payload::catch_up(bool has_copy) {
    // Of what lacks its beginning no copy is of use.
    const bool copies = !lacks_beginning_ && (keeps_copy_ || (inspection_.has_coding() && scans_));
    std::optional<Decoder> again;  // for what was examined before anybody wanted a copy
    if (copies && !has_copy && inspection_.has_coding()) again = inspection_.another_decoder();
    const auto copy = [this](std::string_view piece) { copy_.append(piece); };
    const std::uint64_t behind = size_ - behind_.size();  // where what waits uncopied begins
    const std::uint64_t passed_by = behind - held_.end();  // bytes that went on without having waited
    std::uint64_t at = copies && !has_copy ? 0 : examined_before_;
    while (at < size_ && !inspection_.gave_up()) {
        const auto found = at < behind ? co_await held_.look_at(at - passed_by)
                                       : Result<std::string_view>(behind_.substr(static_cast<std::size_t>(at - behind)));
        if (!found || found->empty()) {
            inspection_.give_up(Reason::no_space);
            break;
        }
        std::string_view piece = found->substr(0, slice);
        if (at < examined_before_) {
            piece = piece.substr(0, static_cast<std::size_t>(examined_before_ - at));
            if (again) again->push(piece, inspection_.scratch(), copy);
            else copy(piece);
        } else {
            if (copies) inspection_.copy_content_to(&copy_);
            inspection_.feed(piece);
        }
        at += piece.size();
        if (copy_.is_too_much())
            if (const Reason full = co_await copy_.spill(); full != Reason::none) inspection_.give_up(full);
        if (at < size_) co_await let_others_run(worker_);
    }
    if (copies) inspection_.copy_content_to(&copy_);  // what comes from now on, too
}

std::optional<VerdictCache::Key> Payload::cache_key() {
    if (!is_hashing_) return std::nullopt;
    KeyText text;
    const bool scans = scans_;
    text.add(setup_->patterns ? setup_->patterns->generation() : 0);
    text.add(setup_->yara_generation);
    std::uint64_t flags = 0;
    for (const bool flag : {scans, examination_.engines.has(Engine::signatures), examination_.engines.has(Engine::yara),
                            examination_.engines.has(Engine::clamav), examination_.engines.has(Engine::icap), wants_sha256_,
                            setup_->wants_members, is_partial_, whole_, examination_.hides_parts})
        flags = flags << 1U | (flag ? 1U : 0U);
    text.add(flags);
    text.add(inspection_.max_size());
    text.add(coding_);
    // Of what is not examined yet nobody knows whether engines will want it.
    const bool may_scan = scans_ || is_deferred_;
    text.add(may_scan ? std::string_view(examination_.name) : std::string_view());
    text.add(static_cast<std::uint64_t>(examination_.multipart.kind));
    text.add(examination_.multipart.boundary);
    text.add(examination_.multipart.is_bare ? 1 : 0);
    text.add(setup_->outside_generation);
    if (may_scan && setup_->icap && examination_.message) {  // its verdict may depend on all that it is told
        const icap::Message& message = *examination_.message;
        text.add(setup_->icap->changes());
        text.add(message.is_request ? 1 : 0);
        for (const std::string& told : {message.method, message.url, message.content_type}) text.add(told);
    }
    hash_->feed(text.text());
    KeyText end;  // read from the end, all of it can be told apart
    end.add(text.text().size());
    hash_->feed(end.text());
    is_hashing_ = false;
    const auto hash = hash_->finish();
    if (!hash) return std::nullopt;
    return VerdictCache::Key{.hash = *hash, .length = size_};
}

net::Task<void> Payload::conclude() {
    VerdictCache::Turn turn;
    if (const auto key = cache_key()) {
        asked_cache_ = true;
        VerdictCache::Answer answer = co_await shared_.cache.ask(worker_, *key);
        if (answer.findings) {
            was_cached_ = true;
            is_concluded_ = true;
            is_deferred_ = false;
            findings_ = std::move(answer.findings);
            co_return;
        }
        turn = std::move(answer.turn);
    }
    auto findings = std::make_shared<Findings>();
    co_await scan(*findings);
    is_concluded_ = true;
    is_deferred_ = false;
    findings_ = findings;
    const bool asks_outside = examination_.engines.has(Engine::clamav) || examination_.engines.has(Engine::icap);
    turn.finish(std::move(findings),
                asks_outside ? VerdictCache::Clock::now() + setup_->limits.outside_verdict : VerdictCache::Clock::time_point::max());
}

net::Task<void> Payload::scan(Findings& findings) {
    if (is_deferred_ || (inspection_.has_coding() && delivery_.mode == Mode::hold && scans_)) {
        const bool finishes = is_deferred_;
        co_await catch_up(keeps_copy_);
        if (finishes) inspection_.finish(whole_);
    }
    // What was held from its beginning is known for what it is only now.
    if (!scans_ && wants_whole()) {
        scans_ = true;
        lacks_beginning_ = !has_all_here() && !keeps_copy_;
        if (!lacks_beginning_ && !keeps_copy_ && inspection_.has_coding()) {
            held_.append(std::exchange(behind_, {}));
            if (!co_await decode_to_copy() && inspection_.outcome().verdict == Verdict::clean) inspection_.give_up(Reason::no_space);
        }
    }
    findings.type = inspection_.type();
    findings.outcome = inspection_.outcome();
    findings.sha256 = inspection_.sha256();
    findings.body = inspection_.body_found();
    if (findings.outcome.verdict != Verdict::infected && scans_) co_await scan_object(findings);
}

net::Task<void> Payload::scan_object(Findings& findings) {
    if (lacks_beginning_) {
        findings.outcome.add(Outcome::unscannable(Reason::truncated));
        co_return;
    }
    const bool is_copied = copy_.size() > 0 || keeps_copy_ || inspection_.has_coding();
    if (!is_copied) held_.append(std::exchange(behind_, {}));
    // A server that takes no heed of a request's coding finds the parts that the coding's own fields may hold.
    const bool is_coded_form = examination_.multipart.kind != mime::MultipartKind::none && inspection_.has_coding();
    const bool has_other_parts = is_coded_form && co_await came_with("--" + examination_.multipart.boundary);
    if ((examination_.hides_parts || has_other_parts) && size_ > 0)
        findings.outcome.add(Outcome::unscannable(Reason::undecodable, structure_engine));
    // Nobody opens its parts: what hides in an archive among them must not be called clean.
    else if (examination_.has_parts() && !shared_.scanners) findings.outcome.add(Outcome::unscannable(Reason::undecodable));
    Holding& content = is_copied ? copy_ : held_;
    auto object = co_await content.to_object();
    if (!object) {
        findings.outcome.add(Outcome::unscannable(object.error()));
        co_return;
    }
    // All at once: what they are asked takes the time of the slowest.
    const auto deadline = std::chrono::steady_clock::now() + std::min(setup_->timeout, examination_.at_most);
    const std::vector<Asked> asked = ask_outside(*object, content.size(), deadline);
    if (shared_.scanners) findings.outcome.add(co_await ask_scanners(*object, content.size(), deadline, findings.members));
    for (const Asked& each : asked) {
        const bool is_over = !each.call || co_await each.call->wait_unless_ending(worker_);
        findings.outcome.add(is_over ? *each.outcome : Outcome::unscannable(Reason::overloaded, each.engine));
    }
}

// Whether a line that is `text` begins in what came, before its coding is undone; true where that is not there any more.
net::Task<bool> Payload::came_with(std::string_view text) {
    if (!has_all_here()) co_return true;
    held_.append(std::exchange(behind_, {}));
    std::string seen;
    for (std::uint64_t at = 0; at < size_;) {
        const auto found = co_await held_.look_at(at);
        if (!found || found->empty()) co_return true;
        const std::string_view piece = found->substr(0, slice);
        seen.append(piece);
        for (std::size_t place = seen.find(text); place != std::string::npos; place = seen.find(text, place + 1)) {
            const char next = place + text.size() < seen.size() ? seen[place + text.size()] : '\0';
            if (next == '\r' || next == '\n') co_return true;
        }
        seen.erase(0, seen.size() - std::min(seen.size(), text.size()));
        at += piece.size();
        if (at < size_) co_await let_others_run(worker_);
    }
    co_return false;
}

net::Task<std::expected<Payload::Content, Reason>> Payload::content() {
    const bool has_all = has_all_here();
    // What came while nobody examined it, or after that could not be done any more, is in no copy.
    const bool is_copy_whole = keeps_copy_ && !lacks_beginning_ && !is_deferred_ && inspection_.is_content_whole();
    Holding* all = is_copy_whole ? &copy_ : nullptr;
    if (!all) {
        if (!has_all) co_return std::unexpected(Reason::truncated);
        held_.append(std::exchange(behind_, {}));
        all = inspection_.has_coding() && co_await decode_to_copy() ? &copy_ : &held_;
    }
    auto object = co_await all->to_object();
    if (!object) co_return std::unexpected(object.error());
    co_return Content{std::move(*object), all->size()};
}

// What is held, from its beginning. False: it cannot be decoded, or not kept.
net::Task<bool> Payload::decode_to_copy() {
    inspection_.copy_content_to(nullptr);
    copy_.clear();
    Decoder decoder = inspection_.another_decoder();
    for (std::uint64_t at = 0; at < size_;) {
        const auto found = co_await held_.look_at(at);
        if (!found || found->empty()) co_return false;
        const std::string_view piece = found->substr(0, slice);
        if (decoder.push(piece, inspection_.scratch(), [this](std::string_view content) { copy_.append(content); }) != Reason::none)
            co_return false;
        at += piece.size();
        if (copy_.is_too_much() && co_await copy_.spill() != Reason::none) co_return false;
        if (at < size_) co_await let_others_run(worker_);
    }
    co_return decoder.finish() == Reason::none;
}

net::Task<Outcome> Payload::ask_scanners(const Descriptor& object, std::uint64_t size, Deadline deadline,
                                         std::vector<MemberFindings>& members) {
    if (shared_.faults.scanners_busy) co_return Outcome::unscannable(Reason::overloaded);
    const auto found = std::make_shared<std::vector<MemberFindings>>();
    ScannerPool::Job job{.object = duplicate(object),
                         .size = size,
                         .name = examination_.name,
                         .engines = {.signatures = examination_.engines.has(Engine::signatures),
                                     .yara = examination_.engines.has(Engine::yara),
                                     .archives = true},
                         .fault = shared_.faults.scanner,
                         .rules_generation = setup_->body_patterns > 0 ? setup_->patterns->rules_generation() : 0,
                         .multipart = examination_.multipart,
                         .limits = setup_->scan_limits,
                         .deadline = deadline,
                         .wants_digests = setup_->wants_sha256,
                         .on_member = {}};
    if (!job.object) co_return Outcome::unscannable(Reason::overloaded);
    if (setup_->wants_members) job.on_member = [found](const Member& member) { found->push_back(to_findings(member)); };
    Outcome outcome = co_await shared_.scanners->scan(worker_, std::move(job));
    members = std::move(*found);
    co_return outcome;
}

// Engines that other programs are, each asked on a thread of its own.
std::vector<Payload::Asked> Payload::ask_outside(const Descriptor& object, std::uint64_t size, Deadline deadline) {
    std::vector<Asked> out;
    const auto add = [&](std::string_view engine, net::Aside& threads, bool is_down, auto scan) {
        Asked asked{
            .engine = engine, .outcome = std::make_shared<Outcome>(Outcome::unscannable(Reason::engine_down, engine)), .call = nullptr};
        if (!is_down) {
            // What the call uses is its own: it may outlast this payload.
            auto copy = std::make_shared<Descriptor>(duplicate(object));
            if (!*copy) {
                *asked.outcome = Outcome::unscannable(Reason::overloaded, engine);
                out.push_back(std::move(asked));
                return;
            }
            asked.call = threads.begin(worker_, [copy, size, name = examination_.name, outcome = asked.outcome, scan = std::move(scan)] {
                *outcome = scan(Object{.descriptor = copy->get(), .size = size, .name = name});
            });
        }
        out.push_back(std::move(asked));
    };
    if (examination_.engines.has(Engine::clamav) && setup_->clamd)
        add("clamav", shared_.clamd_calls, shared_.faults.clamd_down,
            [clamd = setup_->clamd, deadline](const Object& whole) { return clamd->scan(whole, deadline); });
    if (examination_.engines.has(Engine::icap) && setup_->icap)
        add("icap", shared_.icap_calls, shared_.faults.icap_down,
            [icap = setup_->icap, deadline, message = examination_.message.value_or(icap::Message{})](const Object& whole) {
                return icap->scan(whole, message, deadline);
            });
    return out;
}

}  // namespace sluice::inspect
