// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/archive_engine.h"

#include "base/text.h"
#include "inspect/scanner/archive_reader.h"
#include "inspect/scanner/container.h"
#include "inspect/scanner/zip_directory.h"

#include <openssl/evp.h>

#include <algorithm>
#include <string>

namespace sluice::inspect {

namespace {

constexpr std::string_view engine_name = "archive";
// A member's declared size is a peer's word: so much is believed before a byte came.
constexpr std::uint64_t reserved_most = 4ULL << 20;

Digest sha256_of(std::string_view bytes) {
    Digest digest{};
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

// What a compressed stream holds is called as the stream, without the last extension: "a.tar" in "a.tar.gz" and in "a.tgz".
std::string name_of_stream(std::string_view path) {
    const std::string_view file = path.substr(path.rfind('/') + 1);
    const std::size_t dot = file.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return std::string(file) + ".unpacked";
    const std::string extension = lower(file.substr(dot));
    std::string name(file.substr(0, dot));
    if (extension == ".tgz" || extension == ".tbz" || extension == ".tbz2" || extension == ".txz" || extension == ".tzst") name += ".tar";
    return name;
}

}  // namespace

bool contains_eicar(std::string_view bytes) {
    // In pieces: this program must not be taken for the test file itself.
    static const std::string string = std::string("X5O!P%@AP[4\\PZX54(P^)") + "7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS" + "-TEST-FILE!$H+H*";
    return bytes.contains(string);
}

// One archive being read. What is unpacked counts for it and for all archives around it.
class ArchiveEngine::Layer {
public:
    // `depth`: of its members; 1 where it is the object itself.
    Layer(ArchiveEngine& engine, std::string_view object, std::string_view path, std::uint32_t depth, Layer* outer)
        : engine_(engine),
          limits_(engine.plan_->limits),
          object_(object),
          path_(path),
          outer_(outer),
          depth_(depth) {}

    void read(const ContainerPlace& place) {
        const std::string_view object = object_.substr(0, place.end);
        if (place.container == Container::zip) is_good_zip_ = check_directory(object);
        if (engine_.is_over()) return;
        ArchiveReader reader(place.container, object.substr(place.offset));
        bool has_begun = place.is_certain;
        while (!engine_.is_over() && !engine_.is_late()) {
            const ArchiveReader::Status status = reader.next();
            if (status == ArchiveReader::Status::end) return;
            if (status == ArchiveReader::Status::data) {
                if (read_member(reader, is_stream(place.container), has_begun)) continue;
                return;
            }
            if (has_begun) engine_.add(outcome_of(status));
            return;
        }
    }

    // The last one that was read.
    bool is_good_zip() const { return is_good_zip_; }

    // A zip in the object: whether that is one of its members, and was looked at as such.
    void expect(std::string_view zip) { expected_ = zip; }
    bool has_read_expected() const { return has_read_expected_; }

private:
    bool check_directory(std::string_view object) {
        switch (check_zip(object, limits_.members)) {
            case ZipFault::none: return true;
            case ZipFault::too_many: engine_.stop(Reason::bomb); return false;
            case ZipFault::no_directory:
            case ZipFault::disagreement: engine_.add(Outcome::unscannable(Reason::corrupt, engine_name)); return false;
            // Nobody makes that by mistake: it is how a few octets are unpacked over and over.
            case ZipFault::overlap: engine_.add(Outcome::unscannable(Reason::bomb, engine_name)); return false;
        }
        return false;
    }

    static Outcome outcome_of(ArchiveReader::Status status) {
        switch (status) {
            case ArchiveReader::Status::end: return Outcome::clean();
            case ArchiveReader::Status::data: return Outcome::unscannable(Reason::too_large, engine_name);
            case ArchiveReader::Status::encrypted: return Outcome::unscannable(Reason::encrypted, engine_name);
            case ArchiveReader::Status::no_memory: return Outcome::unscannable(Reason::too_large, engine_name);
            default: return Outcome::unscannable(Reason::corrupt, engine_name);
        }
    }

    // False: there is nothing behind it. `has_begun` becomes true once it is clear that this is an archive.
    bool read_member(ArchiveReader& reader, bool is_stream_member, bool& has_begun) {
        if (!engine_.count_member()) return false;
        Member member;
        member.depth = static_cast<std::uint16_t>(std::min<std::uint32_t>(depth_, 0xffff));
        member.is_encrypted = reader.is_encrypted();
        if (depth_ > 1) member.path.append(path_).append("/");
        member.path += is_stream_member ? name_of_stream(path_) : reader.path();
        if (member.is_encrypted) {
            has_begun = true;
            member.outcome = outcome_of(ArchiveReader::Status::encrypted);
            engine_.add(member.outcome);
            if (engine_.plan_->on_member) engine_.plan_->on_member(member);
            return true;
        }
        std::string bytes;
        bytes.reserve(std::min<std::uint64_t>({reader.declared_size(), limits_.member_bytes, reserved_most}));
        const ArchiveReader::Status status = unpack(reader, bytes);
        if (status != ArchiveReader::Status::end && bytes.empty() && !has_begun) return false;
        has_begun = true;
        if (engine_.is_over()) return false;

        member.outcome = outcome_of(status);
        if (!expected_.empty() && bytes.starts_with(expected_)) has_read_expected_ = true;
        engine_.look_at_member(bytes, member);
        if (!engine_.is_over() && !engine_.is_late()) engine_.open(bytes, member.path, depth_ + 1, this);
        return status != ArchiveReader::Status::broken_for_good;
    }

    // `data`: the member is too large; the rest of it is left.
    ArchiveReader::Status unpack(ArchiveReader& reader, std::string& bytes) {
        for (;;) {
            const std::size_t before = bytes.size();
            const ArchiveReader::Status status = reader.read(bytes);
            if (!count(bytes.size() - before) || engine_.is_late() || status != ArchiveReader::Status::data) return status;
            if (bytes.size() > limits_.member_bytes) return status;
        }
    }

    bool count(std::size_t unpacked) {
        engine_.unpacked_ += unpacked;
        if (engine_.unpacked_ > limits_.total_bytes) engine_.stop(Reason::bomb);
        for (Layer* layer = this; layer; layer = layer->outer_) {
            layer->unpacked_ += unpacked;
            if (layer->unpacked_ > limits_.ratio_floor && layer->unpacked_ / limits_.ratio > layer->object_.size())
                engine_.stop(Reason::bomb);
        }
        return !engine_.is_over();
    }

    ArchiveEngine& engine_;
    const ScanLimits& limits_;
    std::string_view object_;
    std::string_view path_;
    Layer* outer_;
    std::uint32_t depth_;
    std::uint64_t unpacked_ = 0;
    std::string_view expected_;
    bool has_read_expected_ = false;
    bool is_good_zip_ = false;
};

Outcome ArchiveEngine::scan(std::string_view object, std::string_view path, const Plan& plan) {
    plan_ = &plan;
    outcome_ = Outcome::clean();
    is_stopped_ = false;
    members_ = 0;
    unpacked_ = 0;
    Outcome own = Outcome::clean();
    if (!plan.is_searched && contains_eicar(object)) own = Outcome::infected(std::string(eicar_threat), "signatures");
    look_at(object, path, own);
    add(own);
    if (!is_over() && !is_late() && plan.opens) {
        if (plan.multipart.kind == mime::MultipartKind::none) open(object, path, 1, nullptr);
        else open_multipart(object, plan.multipart, {}, 1);
    }
    return std::move(outcome_);
}

void ArchiveEngine::look_at(std::string_view bytes, std::string_view path, Outcome& outcome) {
    for (const Engine& engine : engines_)
        if (!is_stopped_ && outcome.verdict != Verdict::infected) outcome.add(engine(bytes, path, plan_->deadline));
}

// Looks at it, and tells of it; `member.outcome` says how far it could be read.
void ArchiveEngine::look_at_member(std::string_view bytes, Member& member) {
    member.size = bytes.size();
    if (plan_->search) member.outcome.add(plan_->search(bytes, member.body));
    else if (contains_eicar(bytes)) member.outcome.add(Outcome::infected(std::string(eicar_threat), "signatures"));
    look_at(bytes, member.path, member.outcome);
    add(member.outcome);
    if (!plan_->on_member) return;
    member.first_bytes = bytes.substr(0, Member::first_bytes_size);
    if (plan_->wants_digests) member.sha256 = sha256_of(bytes);
    plan_->on_member(member);
}

bool ArchiveEngine::count_member() {
    if (++members_ > plan_->limits.members) stop(Reason::bomb);
    return !is_stopped_;
}

void ArchiveEngine::open(std::string_view bytes, std::string_view path, std::uint32_t depth, Layer* outer) {
    const std::optional<ContainerPlace> place = find_container(bytes);
    if (!place) return;
    if (depth > plan_->limits.depth) return add(Outcome::unscannable(Reason::too_deep, engine_name));
    const std::optional<ZipPlace> zip = find_zip(bytes);
    Layer layer(*this, bytes, path, depth, outer);
    if (zip && place->container != Container::zip) layer.expect(bytes.substr(zip->begin, zip->end - zip->begin));
    layer.read(*place);
    if (place->container == Container::iso && !is_over()) {
        const DiscTrees trees = disc_trees(bytes);
        if (trees.has_joliet) layer.read({.container = Container::iso_joliet, .offset = place->offset, .is_certain = true});
        // Nobody here reads it: what stands only there was not looked into.
        if (trees.has_udf && !is_over()) add(Outcome::unscannable(Reason::undecodable, engine_name));
    }
    read_zips(layer, *place, bytes, zip);
}

// A zip is found from its end: whatever stands in front of it, there are programs that open that one. Others look for its beginning, or do not agree
// that this one is good, and open one that stands in front of it.
void ArchiveEngine::read_zips(Layer& layer, const ContainerPlace& place, std::string_view bytes, std::optional<ZipPlace> zip) {
    for (std::size_t end = bytes.size(); zip && !is_over() && !is_late(); zip = find_zip(bytes.substr(0, end))) {
        const bool is_last = end == bytes.size();
        if (!is_last && !count_member()) return;
        const bool was_read = is_last && (place.container == Container::zip || layer.has_read_expected());
        if (!was_read) layer.read({.container = Container::zip, .end = end});
        // The zips in a tar, say, were looked at as its members.
        if (place.container != Container::zip && place.is_certain && zip->is_sure) return;
        // What stands in a good one that all take is in no other.
        end = layer.is_good_zip() && zip->is_sure ? zip->begin : zip->record;
    }
}

void ArchiveEngine::stop(Reason reason) {
    is_stopped_ = true;
    // What stops the scan is told, not what was found wrong on the way.
    if (outcome_.verdict == Verdict::unscannable) outcome_.verdict = Verdict::clean;
    add(Outcome::unscannable(reason, engine_name));
}

bool ArchiveEngine::is_late() {
    if (!is_stopped_ && std::chrono::steady_clock::now() >= plan_->deadline) stop(Reason::timeout);
    return is_stopped_;
}

}  // namespace sluice::inspect
