"""Addresses of the product. The address alone decides what is shown, the reader's rights whether."""

from django.urls import path, register_converter

from risks.views import (
    account,
    activity,
    attachment,
    discussion,
    inbox,
    invitation,
    library,
    matrix,
    mitigation,
    overview,
    profile,
    register,
    report,
    risk,
    risk_list,
    scoring,
    security,
    team,
)


class CodeConverter:
    """A risk's code, such as VOICE-12."""

    regex = r"[A-Za-z][A-Za-z0-9]{1,9}-[0-9]{1,9}"

    def to_python(self, value: str) -> str:
        return value.upper()

    def to_url(self, value: str) -> str:
        return value


register_converter(CodeConverter, "code")

app_name = "risks"

TEAM = "t/<slug:team>/"
RISKS = TEAM + "risks/"
RISK = RISKS + "<code:code>/"
MITIGATIONS = TEAM + "mitigations/"
SETTINGS = TEAM + "settings/"
MEMBER = SETTINGS + "members/<int:pk>/"
INVITATION = SETTINGS + "invitations/<int:pk>/"

urlpatterns = [
    path("", account.home, name="home"),
    path("health/", account.health, name="health"),
    path("setup/", account.setup, name="setup"),
    path("accounts/demo/", account.demo_login, name="demo-login"),
    path("me/", profile.profile, name="profile"),
    path("me/inbox/", inbox.inbox, name="inbox"),
    path("me/inbox/read/", inbox.inbox_read, name="inbox-read"),
    path("me/inbox/<int:pk>/", inbox.notice, name="notice"),
    path("me/inbox/<int:pk>/read/", inbox.notice_read, name="notice-read"),
    path("me/unsubscribe/<str:token>/", inbox.unsubscribe, name="unsubscribe"),
    path("me/data/", profile.own_data, name="own-data"),
    path("me/preferences/", account.preferences, name="preferences"),
    path("me/security/", security.security, name="security"),
    path("me/security/sessions/", security.sessions, name="sessions"),
    path("me/security/second-factor/", security.second_factor, name="second-factor"),
    # teams and their people
    path("teams/new/", team.team_create, name="team-create"),
    path("invitations/<str:secret>/", invitation.invitation, name="invitation"),
    path(SETTINGS, team.team_settings, name="team-settings"),
    path(SETTINGS + "leave/", team.team_leave, name="team-leave"),
    path(SETTINGS + "members/", team.member_list, name="member-list"),
    path(MEMBER + "role/", team.member_role, name="member-role"),
    path(MEMBER + "hand-over/", team.member_hand_over, name="member-hand-over"),
    path(MEMBER + "deactivate/", team.member_deactivate, name="member-deactivate"),
    path(MEMBER + "reactivate/", team.member_reactivate, name="member-reactivate"),
    path(MEMBER + "forget/", profile.member_pseudonymise, name="member-pseudonymise"),
    path(SETTINGS + "invitations/", invitation.invitation_list, name="invitation-list"),
    path(INVITATION + "send/", invitation.invitation_send, name="invitation-send"),
    path(INVITATION + "revoke/", invitation.invitation_revoke, name="invitation-revoke"),
    # overview, matrix, reports, library, registers
    path(TEAM, overview.overview, name="overview"),
    path(TEAM + "matrix/", matrix.matrix, name="matrix"),
    path(TEAM + "reports/", report.report_new, name="report-list"),
    path(TEAM + "reports/monthly/", report.report_download, name="report-monthly"),
    path(TEAM + "activity/", activity.activity, name="activity"),
    path(TEAM + "activity/export.<str:format>", activity.activity_export, name="activity-export"),
    path(TEAM + "activity/verify/", activity.activity_verify, name="activity-verify"),
    path(TEAM + "activity/<int:pk>/undo/", activity.activity_undo, name="activity-undo"),
    path(TEAM + "library/", library.library, name="library"),
    path(TEAM + "library/<int:pk>/", library.library_template, name="library-template"),
    path(TEAM + "registers/", register.register_list, name="register-list"),
    path(TEAM + "registers/new/", register.register_create, name="register-create"),
    path(TEAM + "registers/<str:key>/edit/", register.register_update, name="register-update"),
    path(TEAM + "registers/<str:key>/export.zip", register.register_export, name="register-export"),
    path(TEAM + "registers/<str:key>/archive/", register.register_archive, name="register-archive"),
    path(TEAM + "registers/<str:key>/restore/", register.register_restore, name="register-restore"),
    path(TEAM + "registers/<str:key>/remove/", register.register_remove, name="register-remove"),
    # the list of risks
    path(RISKS, risk_list.risk_list, name="risk-list"),
    path(RISKS + "export.<str:format>", risk_list.risk_export, name="risk-export"),
    path(RISKS + "bulk/", risk_list.risk_bulk, name="risk-bulk"),
    path(RISKS + "views/", risk_list.view_save, name="risk-view-save"),
    path(RISKS + "views/<int:pk>/delete/", risk_list.view_delete, name="risk-view-delete"),
    # one risk
    path(RISKS + "new/", risk.risk_create, name="risk-create"),
    path(RISK, risk.risk_detail, name="risk-detail"),
    path(RISK + "edit/", risk.risk_update, name="risk-update"),
    path(RISK + "delete/", risk.risk_delete, name="risk-delete"),
    path(RISK + "field/<slug:field>/", risk_list.risk_field, name="risk-field"),
    path(RISK + "assess/", scoring.risk_assess, name="risk-assess"),
    path(RISK + "move/<slug:move>/", risk.risk_move, name="risk-move"),
    path(RISK + "mitigations/new/", mitigation.mitigation_create, name="mitigation-create"),
    path(RISK + "indicators/new/", risk.indicator_create, name="indicator-create"),
    path(RISK + "indicators/<int:pk>/", risk.indicator_update, name="indicator-update"),
    path(RISK + "indicators/<int:pk>/delete/", risk.indicator_delete, name="indicator-delete"),
    path(RISK + "comments/", discussion.discussion, name="discussion"),
    path(RISK + "comments/<int:pk>/", discussion.comment_detail, name="comment-detail"),
    path(RISK + "comments/<int:pk>/edit/", discussion.comment_update, name="comment-update"),
    path(RISK + "comments/<int:pk>/delete/", discussion.comment_delete, name="comment-delete"),
    path(RISK + "comments/<int:pk>/versions/", discussion.comment_versions, name="comment-versions"),
    path(RISK + "follow/", discussion.risk_follow, name="risk-follow"),
    path(TEAM + "members/suggest/", discussion.member_suggest, name="member-suggest"),
    path(RISK + "files/", attachment.risk_files, name="risk-files"),
    path(TEAM + "files/<int:pk>/", attachment.attachment_download, name="attachment-download"),
    path(TEAM + "files/<int:pk>/delete/", attachment.attachment_delete, name="attachment-delete"),
    # mitigations
    path(MITIGATIONS, mitigation.mitigation_list, name="mitigation-list"),
    path(MITIGATIONS + "<int:pk>/", mitigation.mitigation_update, name="mitigation-update"),
    path(MITIGATIONS + "<int:pk>/state/", mitigation.mitigation_state, name="mitigation-state"),
    path(MITIGATIONS + "<int:pk>/delete/", mitigation.mitigation_delete, name="mitigation-delete"),
    path(MITIGATIONS + "<int:pk>/files/", attachment.mitigation_files, name="mitigation-files"),
]
