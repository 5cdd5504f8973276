// SPDX-License-Identifier: Apache-2.0
// An object and all that is packed into it, layer by layer: each goes whole through the engines. libarchive opens them, from memory; no file is
// ever written.
//
// The raw bytes of an archive go through the engines too, so what stands in front of it, behind it or between its members is looked at as well.
// An archive that cannot be read to its end is never clean: `encrypted`, `corrupt`, `too-deep`, `too-large` (one member), `bomb` (all of them).
// The first infection ends the scan, as nothing can be worse; so does a bomb, and the deadline.
#pragma once

#include "inspect/scanner/container.h"
#include "inspect/scanner/member.h"
#include "inspect/scanner/scan_limits.h"
#include "inspect/scanner/zip_directory.h"
#include "inspect/verdict.h"
#include "protocols/mime/multipart.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::inspect {

inline constexpr std::string_view eicar_threat = "EICAR-Test-File";

// Whether EICAR's test string stands anywhere in it.
bool contains_eicar(std::string_view bytes);

class ArchiveEngine {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    // Looks at one layer: the object itself, or a member.
    using Engine = std::function<Outcome(std::string_view bytes, std::string_view path, Deadline deadline)>;
    // Looks at a member with the patterns that the proxy has searched the object itself with; says which patterns of rules it found.
    using Search = std::function<Outcome(std::string_view bytes, BodyFound& found)>;

    struct Plan {
        ScanLimits limits;
        Deadline deadline;
        bool opens = true;  // false: the object itself only
        bool wants_digests = false;
        mime::MultipartType multipart{};  // of the object: each part is a member
        bool is_searched = false;  // the object itself, for all that `search` looks for
        Search search{};  // may be empty
        std::function<void(const Member&)> on_member;  // may be empty; in the order of the archive, outer before inner
    };

    // EICAR's string is looked for in every layer, before any other engine, where `search` does not.
    explicit ArchiveEngine(std::vector<Engine> engines) : engines_(std::move(engines)) {}

    // The object is `path`: its member `a/b` has the path "a/b", and the member of an archive inside it "a/b.zip/c".
    Outcome scan(std::string_view object, std::string_view path, const Plan& plan);

    // Of a scan that an exception has ended: what was found by then.
    const Outcome& outcome() const { return outcome_; }
    // Of the last scan.
    std::uint32_t members() const { return members_; }
    std::uint64_t unpacked() const { return unpacked_; }

private:
    class Layer;
    void look_at(std::string_view bytes, std::string_view path, Outcome& outcome);
    void look_at_member(std::string_view bytes, Member& member);
    void open(std::string_view bytes, std::string_view path, std::uint32_t depth, Layer* outer);
    void open_multipart(std::string_view bytes, const mime::MultipartType& type, std::string_view path, std::uint32_t depth);
    struct Range {
        std::size_t begin;
        std::size_t end;
    };
    void open_whole(std::string_view bytes, std::span<const Range> parts, std::string_view path, std::uint32_t depth);
    std::vector<Range> open_parts(std::string_view bytes, const mime::MultipartType& type, std::string_view path, std::uint32_t depth);
    void open_part(const mime::FormPart& part, std::string_view data, std::string_view path, const Outcome& read, std::uint32_t depth);
    void open_inside(std::string_view data, const mime::FormPart& part, std::string_view path, std::uint32_t depth);
    void hide_parts();
    void read_zips(Layer& layer, const ContainerPlace& place, std::string_view bytes, std::optional<ZipPlace> zip);
    bool count_member();
    void add(Outcome outcome) { outcome_.add(outcome); }
    bool is_over() const { return is_stopped_ || outcome_.verdict == Verdict::infected; }
    void stop(Reason reason);
    bool is_late();

    std::vector<Engine> engines_;
    const Plan* plan_ = nullptr;
    Outcome outcome_;
    bool is_stopped_ = false;
    std::uint32_t members_ = 0;
    std::uint64_t unpacked_ = 0;
};

}  // namespace sluice::inspect
